import { randomUUID } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";
import type { DataSource, Receipt } from "../../src/lib";
import {
  createSftpConnection,
  createSftpWriter,
  readSftpConnectionOptions,
  readSftpWriterOptions,
  type SftpConnection,
} from "../../src/lib/writers/sftp";
import { type DiskTarget, diskTarget } from "../support/disk-target";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy";
import { testSource } from "../support/sources";
import { type Sshd, type SshdOptions, startSshd } from "../support/sshd";

export interface SftpBench {
  readonly server: Sshd;
  readonly proxy: FaultProxy;
  readonly connection: SftpConnection;
  readonly disk: DiskTarget;
  deliver(content: string | DataSource, target: string, options?: DeliverOptions): Promise<Receipt>;
  /** Names and texts of all files there. */
  files(): Promise<Record<string, string>>;
}

interface DeliverOptions {
  writer?: Record<string, unknown>;
  deliveryId?: string;
  signal?: AbortSignal;
  attributes?: Record<string, string>;
  /** More than 1: as after a crash, somebody else began an attempt, and this writer remembers nothing. */
  begun?: number;
}

let shared: Promise<Sshd> | undefined;

afterAll(async () => (await shared)?.stop());

/** Starting one takes a second: tests that want nothing special have one for all, tidied up before each. */
async function sharedServer(): Promise<Sshd> {
  shared ??= startSshd();
  const server = await shared;
  for (const name of await readdir(server.root)) await rm(join(server.root, name), { recursive: true });
  const logged = (await server.log()).length;
  return { ...server, log: async () => (await server.log()).slice(logged) };
}

async function ownServer(options: SshdOptions): Promise<Sshd> {
  const server = await startSshd(options);
  onTestFinished(() => server.stop());
  return server;
}

/**
 * A server, a proxy before it, and a connection through that. All end with the test.
 * @param serverOptions if there are any, the server is the test's own
 */
export async function sftpBench(
  connectionOptions: (server: Sshd) => Record<string, unknown> = () => ({}),
  serverOptions?: SshdOptions,
): Promise<SftpBench> {
  const server = await (serverOptions ? ownServer(serverOptions) : sharedServer());
  const proxy = await startFaultProxy(server.port);
  onTestFinished(() => proxy.stop());
  const { host, user, privateKey } = server;
  const connection = createSftpConnection(
    readSftpConnectionOptions({
      host,
      port: proxy.port,
      user,
      privateKey,
      hostKeys: server.fingerprints.ed25519,
      ...connectionOptions(server),
    }),
  );
  onTestFinished(() => connection.close());
  const disk = diskTarget(server.root, server.owner);
  const writers = new Map<string, ReturnType<typeof createSftpWriter>>();
  return {
    server,
    proxy,
    connection,
    disk,
    deliver(content, target, { writer: writerOptions = {}, signal, ...options } = {}) {
      const { deliveryId = randomUUID(), attributes = {}, begun = 1 } = options;
      const key = JSON.stringify(writerOptions);
      if (begun > 1) writers.delete(key);
      const writer = writers.get(key) ?? createSftpWriter(connection, readSftpWriterOptions(writerOptions));
      writers.set(key, writer);
      const source = typeof content === "string" ? testSource(Buffer.from(content)) : content;
      const request = { deliveryId, target, contentType: undefined, metadata: {}, attributes, begun };
      return writer.write(source, request, {
        signal: signal ?? new AbortController().signal,
        onProgress: () => {},
      });
    },
    async files() {
      const names = await disk.list();
      const texts = await Promise.all(names.map(async (name) => [name, String(await disk.read(name))]));
      return Object.fromEntries(texts);
    },
  };
}

/** Calls back when the last byte was taken, and before anything waits for an answer to it. */
export function atEnd(source: DataSource, callback: () => void): DataSource {
  return {
    ...source,
    async read(options) {
      const reading = await source.read(options);
      reading.stream.once("end", callback);
      return reading;
    },
  };
}
