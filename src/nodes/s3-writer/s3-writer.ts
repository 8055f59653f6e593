import type { NodeAPI } from "node-red";
import { createS3Writer, readS3WriterOptions, type S3Connection } from "../../lib";
import { fromRows, type NamedValue } from "../shared/template-view";
import { bytesPerMebibyte, scaled, secondsPerHour } from "../shared/units";
import { registerWriterNode, type WriterNodeDef } from "../shared/writer-node";

interface Config extends WriterNodeDef {
  key: string;
  contentType?: string;
  contentDisposition?: string;
  cacheControl?: string;
  tags?: NamedValue[];
  lifecycle?: boolean;
  lifecyclePrefix?: string;
  lifecycleDays?: string | number;
  lifecycleStorageClass?: string;
  link?: boolean;
  linkHours?: string | number;
  partMegabytes?: string | number;
}

export default function register(RED: NodeAPI): void {
  registerWriterNode<Config, S3Connection>(RED, {
    type: "delivery-s3-writer",
    connectionType: "delivery-s3-connection",
    connectionLabel: "S3 connection",
    createWriter: (connection, config) => createS3Writer(connection, readS3WriterOptions(optionsOf(config))),
    targetTemplate: ({ key }) => key || "{{source.name}}",
    contentTypeTemplate: ({ contentType }) => contentType ?? "",
    attributeTemplates: ({ contentDisposition, cacheControl, tags }) => ({
      contentDisposition,
      cacheControl,
      ...Object.fromEntries(Object.entries(fromRows(tags)).map(([name, value]) => [`tag:${name}`, value])),
    }),
  });
}

/** Off means absent: an unticked section's fields are not even looked at. */
function optionsOf({ metadata: _, contentType, lifecycle, link, ...config }: Config): object {
  return {
    ...config,
    // What a template makes of it is only known with the message.
    contentType: contentType?.includes("{{") ? undefined : contentType,
    partSizeBytes: scaled(config.partMegabytes, bytesPerMebibyte),
    lifecycle: lifecycle
      ? {
          prefix: config.lifecyclePrefix ?? "",
          days: config.lifecycleDays,
          storageClass: config.lifecycleStorageClass,
        }
      : undefined,
    linkExpiresInSeconds: link ? scaled(config.linkHours || 24, secondsPerHour) : undefined,
  };
}
