import { randomBytes } from "node:crypto";
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type S3Server, startS3Server } from "../../../demo/servers/s3";
import type { S3Hook } from "../../../demo/servers/s3/hook";
import {
  createS3Connection,
  createS3Writer,
  readS3ConnectionOptions,
  readS3WriterOptions,
} from "../../../src/lib";
import { startFaultProxy } from "../../support/fault-proxy";
import type { Stage } from "../scene";

const bucket = "deliveries";

/** The store of the demo; a row has keys that begin with its name. */
export function embeddedS3(): Stage {
  let server: S3Server;
  let client: S3Client;
  const hooks = new Map<string, S3Hook>();
  const secretAccessKey = `canary-${randomBytes(12).toString("hex")}`;
  return {
    name: "s3 (embedded)",
    async start() {
      server = await startS3Server({ secretAccessKey });
      server.onRequest((request) => hooks.get(request.key?.split("/")[0] ?? "")?.(request));
      const { endpoint, accessKeyId } = server;
      const credentials = { accessKeyId, secretAccessKey };
      client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
    },
    async stop() {
      client.destroy();
      await server.close();
    },
    async scene(row, options) {
      const proxy = await startFaultProxy(server.port);
      const { accessKeyId } = server;
      const connection = createS3Connection(
        readS3ConnectionOptions({
          ...{
            endpoint: `http://${proxy.host}:${proxy.port}`,
            pathStyle: true,
            accessKeyId,
            secretAccessKey,
          },
          ...options.connection,
        }),
      );
      const partSizeBytes = 5 * 1024 * 1024;
      const created = createS3Writer(
        connection,
        readS3WriterOptions({ bucket, partSizeBytes, ...options.writer }),
      );
      const prefix = `${row}/`;
      const put = async (name: string, bytes: Uint8Array) => {
        await client.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + name, Body: bytes }));
        // What is there before the delivery suffers no fault.
        if (options.server) hooks.set(row, options.server as S3Hook);
      };
      return {
        // Keys have no folder of their own: the row's name is a part of them.
        writer: {
          ...created,
          write: (source, request, context) =>
            created.write(source, { ...request, target: prefix + request.target }, context),
        },
        proxy,
        where: connection.description,
        path: `s3://${bucket}/${prefix}`,
        secrets: [secretAccessKey],
        read: (name) => server.read(bucket, prefix + name),
        async list() {
          const { Uploads = [] } = await client.send(
            new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }),
          );
          const keys = [...(server.buckets.get(bucket)?.objects.keys() ?? [])];
          const ours = keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
          return [...ours, ...Uploads.map(({ Key }) => `upload:${Key}`)];
        },
        put,
        async close() {
          await created.close();
          connection.close();
        },
        async end() {
          hooks.delete(row);
          await proxy.stop();
        },
      };
    },
  };
}
