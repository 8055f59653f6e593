import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type S3Server, type S3ServerOptions, startS3Server } from "../../../demo/servers/s3";
import type { S3Hook } from "../../../demo/servers/s3/hook";
import type { Writer } from "../../../src/lib/types";
import {
  createS3Connection,
  createS3Writer,
  readS3ConnectionOptions,
  readS3WriterOptions,
  type S3Connection,
} from "../../../src/lib/writers/s3";

export const partSizeBytes = 5 * 1024 * 1024;
export const bucket = "deliveries";

/** The embedded store, and a client of the test's own to see what is really there. */
export interface TestStore {
  readonly server: S3Server;
  readonly client: S3Client;
  /** Decides what becomes of each request. */
  onRequest: S3Hook;
  connect(options?: object): S3Connection;
  createWriter(options?: object, connectionOptions?: object): Writer;
  read(key: string): Promise<Buffer | undefined>;
  /** Keys, and `upload:<key>` for each upload that is not complete. */
  list(): Promise<string[]>;
  put(key: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export async function startStore(serverOptions: S3ServerOptions = {}): Promise<TestStore> {
  const server = await startS3Server(serverOptions);
  server.onRequest((request) => store.onRequest(request));
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  const connections: S3Connection[] = [];
  const connect = (options: object = {}) => {
    const keys = { accessKeyId, secretAccessKey };
    const connection = createS3Connection(
      readS3ConnectionOptions({ endpoint, pathStyle: true, ...keys, ...options }),
    );
    connections.push(connection);
    return connection;
  };
  const store: TestStore = {
    server,
    client,
    onRequest: () => undefined,
    connect,
    createWriter: (options = {}, connectionOptions = {}) =>
      createS3Writer(connect(connectionOptions), readS3WriterOptions({ bucket, partSizeBytes, ...options })),
    async read(key) {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return Buffer.from((await Body?.transformToByteArray()) ?? []);
      } catch (error) {
        if (error instanceof Error && error.name === "NoSuchKey") return undefined;
        throw error;
      }
    },
    async list() {
      const keys: string[] = [];
      let token: string | undefined;
      do {
        const page = await client.send(
          new ListObjectsV2Command({ Bucket: bucket, ...(token && { ContinuationToken: token }) }),
        );
        for (const { Key = "" } of page.Contents ?? []) keys.push(Key);
        token = page.NextContinuationToken;
      } while (token !== undefined);
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
      return [...keys, ...Uploads.map(({ Key }) => `upload:${Key}`)];
    },
    async put(key, bytes) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
    },
    async close() {
      for (const connection of connections) connection.close();
      client.destroy();
      await server.close();
    },
  };
  return store;
}
