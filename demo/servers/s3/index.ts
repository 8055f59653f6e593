import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createCredentialStore } from "./credentials";
import { respond } from "./dispatch";
import type { ServerState } from "./exchange";
import type { S3Hook, S3Injection } from "./hook";
import type { S3RequestInfo } from "./operations";
import { loadBuckets, saveBuckets } from "./saved-buckets";
import { createStore, type S3Bucket } from "./store";

export type { InjectedAnswer, S3Hook, S3Injection } from "./hook";
export type { S3Operation, S3RequestInfo } from "./operations";
export type { ObjectSettings, S3Bucket, S3Object, S3Part, S3Upload } from "./store";

export interface S3ServerOptions {
  /** Default: a free one. */
  port?: number;
  /** Default: 127.0.0.1. */
  host?: string;
  accessKeyId?: string;
  secretAccessKey?: string;
  /** Requests that are signed for another one are refused. Default: any region will do. */
  region?: string;
  /** `bucket.<domain>` names a bucket as well as the path does. Default: localhost. */
  domain?: string;
  /** An existing folder for a folder with the contents, which `close` removes. Default: the system's. */
  folder?: string;
  /** An existing folder where the contents stay; those of an earlier server are there again. */
  contents?: string;
  /** Of all parts but the last. Default: 5 MiB, as on Amazon S3. */
  minPartBytes?: number;
  /** PEM texts; with them the server speaks https. */
  tls?: { key: string; cert: string };
  /** The only role that may be assumed. Default: any. */
  role?: { arn: string; externalId?: string };
}

export interface S3Server {
  /** `http://127.0.0.1:12345`; also the token service's, for AssumeRole. */
  readonly endpoint: string;
  readonly host: string;
  readonly port: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly buckets: ReadonlyMap<string, S3Bucket>;
  /** The last 10,000 requests, in order. */
  readonly requests: readonly S3RequestInfo[];
  createBucket(name: string): S3Bucket;
  /** The content of an object, or undefined where there is none. */
  read(bucket: string, key: string): Promise<Buffer | undefined>;
  /**
   * Lets a hook inject faults. Of several hooks the first that has something to say decides.
   * @returns takes the hook away again
   */
  onRequest(hook: S3Hook): () => void;
  /** Cuts every connection and removes all contents, unless there is a folder where they stay. */
  close(): Promise<void>;
}

const keptRequests = 10_000;

/**
 * A small S3 server for the demo and the tests: it checks signatures, checksums and conditions as Amazon
 * S3 does, and answers with its errors. It keeps contents in files and everything else in memory,
 * and with `contents` that in a file, too.
 */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const {
    host = "127.0.0.1",
    accessKeyId = "DEMOACCESSKEY",
    secretAccessKey = "demo-secret-key",
    tls,
  } = options;
  const { contents } = options;
  const folder = contents ?? (await mkdtemp(join(options.folder ?? tmpdir(), "s3-server-")));
  const removeFolder = async () => {
    if (contents === undefined) await rm(folder, { recursive: true, force: true });
  };
  const saved = contents && join(contents, "buckets");
  const store = createStore(
    folder,
    options.minPartBytes ?? 5 * 1024 ** 2,
    saved ? loadBuckets(saved) : undefined,
  );
  const state: ServerState = {
    store,
    credentials: createCredentialStore({ accessKeyId, secretAccessKey }),
    region: options.region,
    domain: options.domain ?? "localhost",
    save: saved ? () => saveBuckets(saved, store.buckets) : undefined,
    role: options.role,
  };
  const hooks = new Set<S3Hook>();
  const requests: S3RequestInfo[] = [];

  const inject = async (info: S3RequestInfo): Promise<S3Injection> => {
    requests.push(info);
    if (requests.length > keptRequests) requests.shift();
    for (const hook of hooks) {
      const injection = await hook(info);
      if (injection) return injection;
    }
    return {};
  };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    // A client that goes away is no reason to fall over.
    respond(state, request, response, inject).catch(() => request.socket.destroy());
  };

  const server = tls ? createHttpsServer(tls) : createHttpServer();
  server.on("request", answer).on("checkContinue", answer);
  // Uploads take as long as they take, and clients keep connections for a while.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen({ port: options.port ?? 0, host }, resolve);
  }).catch(async (error: unknown) => {
    await removeFolder();
    throw error;
  });
  const { port } = server.address() as AddressInfo;

  return {
    endpoint: `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`,
    host,
    port,
    accessKeyId,
    secretAccessKey,
    buckets: store.buckets,
    requests,
    createBucket: (name) => store.createBucket(name, options.region ?? "us-east-1"),
    async read(bucket, key) {
      const object = store.buckets.get(bucket)?.objects.get(key);
      return object && buffer(object.content.open());
    },
    onRequest(hook) {
      hooks.add(hook);
      return () => hooks.delete(hook);
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await removeFolder();
    },
  };
}
