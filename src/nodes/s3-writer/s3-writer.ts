import type { Node, NodeAPI } from "node-red";
import {
  createS3Writer,
  createUnfinishedUploads,
  inUnit,
  readOptions,
  readS3WriterOptions,
  type S3Connection,
} from "../../lib";
import type { Engine } from "../shared/engine";
import { bytesPerMebibyte, secondsPerHour } from "../shared/units";
import { runWriter, type WriterNodeDef } from "../shared/writer-node";

interface Config extends WriterNodeDef {
  metadata?: unknown;
  contentType?: unknown;
  lifecycle?: unknown;
  lifecyclePrefix?: unknown;
  lifecycleDays?: unknown;
  lifecycleStorageClass?: unknown;
  link?: unknown;
  linkHours?: unknown;
  partMegabytes?: unknown;
}

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-s3-writer", function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    runWriter<S3Connection>(RED, this, config, {
      connection: { type: "delivery-s3-connection", label: "S3 connection" },
      createWriter: (connection, engine) =>
        createS3Writer(connection, readS3WriterOptions(optionsOf(config)), resumption(engine)),
      readTemplates: ({ text, rows }) => ({
        target: text("key") || "{{source.name}}",
        contentType: text("contentType"),
        attributes: {
          contentDisposition: text("contentDisposition"),
          cacheControl: text("cacheControl"),
          ...Object.fromEntries(Object.entries(rows("tags")).map(([name, value]) => [`tag:${name}`, value])),
        },
      }),
    });
  });
}

function resumption({ unfinishedFolder: folder }: Engine) {
  return folder === undefined ? {} : { unfinished: createUnfinishedUploads({ folder }) };
}

/** Off means absent: an unticked section's fields are not even looked at. */
function optionsOf({ metadata: _, contentType, ...config }: Config): object {
  const { lifecycle, link } = readOptions("S3 writer", config, (options) => ({
    lifecycle: options.boolean("lifecycle", false),
    link: options.boolean("link", false),
  }));
  const isTemplate = typeof contentType === "string" && contentType.includes("{{");
  return {
    ...config,
    // What a template makes of it is only known with the message.
    contentType: isTemplate ? undefined : contentType,
    partSizeBytes: inUnit("partMegabytes", config.partMegabytes, bytesPerMebibyte),
    lifecycle: lifecycle
      ? {
          prefix: config.lifecyclePrefix ?? "",
          days: config.lifecycleDays,
          storageClass: config.lifecycleStorageClass,
        }
      : undefined,
    linkExpiresInSeconds: link ? inUnit("linkHours", config.linkHours || 24, secondsPerHour) : undefined,
  };
}
