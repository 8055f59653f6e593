import { randomUUID } from "node:crypto";
import { afterEach, expect } from "vitest";
import {
  type FtpHook,
  type FtpServer,
  type FtpServerOptions,
  startFtpServer,
} from "../../../demo/servers/ftp";
import { DeliveryError } from "../../../src/lib/errors";
import type { DataSource, Receipt, Writer } from "../../../src/lib/types";
import {
  createFtpConnection,
  createFtpWriter,
  type FtpConnection,
  readFtpConnectionOptions,
  readFtpWriterOptions,
} from "../../../src/lib/writers/ftp";
import { type DiskTarget, diskTarget } from "../../support/disk-target";
import { testSource } from "../../support/sources";

export interface FtpBenchOptions {
  server?: FtpServerOptions;
  connection?: Record<string, unknown>;
  writer?: Record<string, unknown>;
}

type Content = string | Uint8Array | DataSource;

/** A server and a connection to it, both closed after the test. */
export interface FtpBench {
  readonly server: FtpServer;
  readonly connection: FtpConnection;
  readonly disk: DiskTarget;
  writer(options?: Record<string, unknown>): Writer;
  /** Delivers with a writer of its own. */
  deliver(content: Content, target: string, options?: DeliverOptions): Promise<Receipt>;
  deliverWith(writer: Writer, content: Content, target: string, options?: DeliverOptions): Promise<Receipt>;
  /** Like `deliver`, for one that must fail. */
  fail(content: Content, target: string, options?: DeliverOptions): Promise<DeliveryError>;
  failWith(
    writer: Writer,
    content: Content,
    target: string,
    options?: DeliverOptions,
  ): Promise<DeliveryError>;
  /** The commands since the last call, without those of a login. */
  commands(): string[];
}

export interface DeliverOptions {
  signal?: AbortSignal;
  deliveryId?: string;
  /** How many attempts were begun, by whomever. More than one: as after a crash. */
  begun?: number;
  attributes?: Record<string, string>;
  /** Options of the writer, for this delivery. */
  writer?: Record<string, unknown>;
}

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const login = /^(USER|PASS|FEAT|OPTS|TYPE|PBSZ|PROT|AUTH|QUIT|PWD)\b/;

export async function ftpBench(settings: FtpBenchOptions = {}): Promise<FtpBench> {
  const server = await startFtpServer(settings.server);
  cleanups.push(() => server.close());
  const { host, port, user, password } = server;
  const connection = createFtpConnection(
    readFtpConnectionOptions({ host, port, user, password, ...settings.connection }),
  );
  cleanups.push(() => connection.close());
  let told = 0;
  const writer: FtpBench["writer"] = (more) =>
    createFtpWriter(connection, readFtpWriterOptions({ ...settings.writer, ...more }));
  const deliverWith: FtpBench["deliverWith"] = (using, content, target, options = {}) => {
    const { signal, deliveryId, begun = 1, attributes = {} } = options;
    const source =
      typeof content === "string" || content instanceof Uint8Array
        ? testSource(Buffer.from(content))
        : content;
    const request = {
      deliveryId: deliveryId ?? randomUUID(),
      target,
      contentType: undefined,
      metadata: {},
      attributes,
      begun,
    };
    return using.write(source, request, {
      signal: signal ?? new AbortController().signal,
      onProgress: () => {},
    });
  };
  const failWith: FtpBench["failWith"] = async (...parameters) => {
    const outcome = await deliverWith(...parameters).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(DeliveryError);
    return outcome as DeliveryError;
  };
  return {
    server,
    connection,
    disk: diskTarget(server.root),
    writer,
    deliverWith,
    failWith,
    deliver: (content, target, more = {}) => deliverWith(writer(more.writer), content, target, more),
    fail: (content, target, more = {}) => failWith(writer(more.writer), content, target, more),
    commands() {
      const since = server.commands.slice(told).filter((command) => !login.test(command));
      told = server.commands.length;
      return since;
    },
  };
}

/** Injects a fault into one command: always, or only the first `times` it comes. */
export function on(
  wanted: string,
  injection: ReturnType<FtpHook>,
  times = Number.POSITIVE_INFINITY,
): FtpHook {
  let left = times;
  return (command) => (command === wanted && left-- > 0 ? injection : undefined);
}

/** The files at the target, with their content. */
export async function filesOf(bench: FtpBench): Promise<Record<string, string>> {
  const names = (await bench.disk.list()).sort();
  const entries = names.map(async (name) => [name, String(await bench.disk.read(name))] as const);
  return Object.fromEntries(await Promise.all(entries));
}
