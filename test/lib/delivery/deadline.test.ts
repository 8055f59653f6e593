import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startFtpServer } from "../../../demo/servers/ftp";
import {
  type AttemptContext,
  type AttemptLimits,
  createFtpConnection,
  createFtpWriter,
  createMemoryStore,
  createMemoryWriter,
  createS3Connection,
  createS3Writer,
  createSpool,
  type DataSource,
  type Delivery,
  DeliveryError,
  readFtpConnectionOptions,
  readFtpWriterOptions,
  readS3ConnectionOptions,
  readS3WriterOptions,
  type Writer,
  writerAttempt,
} from "../../../src/lib";
import { createDeadline } from "../../../src/lib/delivery/deadline";
import { draftOf, receipt } from "./runner-bench";

let folder: string;
/** Takes connections and whatever comes, and never says a word. */
let mute: Server;
let port: number;
const sockets = new Set<Socket>();

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "deadline-test-"));
  mute = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
  });
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  port = (mute.address() as { port: number }).port;
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  mute.close();
  await rm(folder, { recursive: true, force: true });
});

const context = (signal = new AbortController().signal): AttemptContext => ({ signal, onProgress() {} });

async function deliveryOf(text: string): Promise<Delivery> {
  const draft = draftOf({ source: { kind: "text", name: "a.txt", text } });
  return (await createMemoryStore().accept(draft)).delivery;
}

async function attempt(writer: Writer, limits: AttemptLimits, signal?: AbortSignal, text = "1234567890") {
  const run = writerAttempt(writer, { spool: createSpool({ folder: path.join(folder, "spool") }), limits });
  return run(await deliveryOf(text), context(signal)).catch((error: unknown) => error);
}

/** Reads, and then works on for as long as it is let. */
function busyWriter(work: (source: DataSource, signal: AbortSignal) => Promise<void>): Writer {
  return {
    type: "busy",
    locate: (target) => target,
    async write(source, _request, { signal }) {
      await work(source, signal);
      return receipt;
    },
    async close() {},
  };
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    const fail = () => reject(new DeliveryError("cancelled", "The delivery was interrupted."));
    if (signal.aborted) fail();
    signal.addEventListener("abort", fail);
  });

describe("an attempt's deadline", () => {
  test("ends what never ends, as unavailable, with the time and the rate", async () => {
    const writer = busyWriter(async (source, signal) => {
      await source.read();
      await untilAborted(signal);
    });
    expect(await attempt(writer, { fixedMs: 20, slowestBytesPerSecond: 100 })).toMatchObject({
      kind: "unavailable",
      code: "ETIMEDOUT",
      message: expect.stringMatching(
        /ended after 0\.12 seconds: 10 bytes came through slower than 100 bytes/,
      ),
    });
  });

  test("leaves a slow but healthy transfer alone until then", async () => {
    const writer = busyWriter(async (source) => {
      await source.read();
      await sleep(300);
    });
    expect(await attempt(writer, { fixedMs: 20, slowestBytesPerSecond: 0.1 })).toEqual(receipt);
  });

  test("does not run while the writer waits for its turn", async () => {
    const writer = busyWriter(async (source, signal) => {
      await sleep(100);
      expect(signal.aborted).toBe(false);
      await source.read();
    });
    expect(await attempt(writer, { fixedMs: 50, slowestBytesPerSecond: 1e9 })).toEqual(receipt);
  });

  test("keeps what was done in the last moment", async () => {
    const writer = busyWriter(async (source, signal) => {
      await source.read();
      await untilAborted(signal).catch(() => {});
    });
    expect(await attempt(writer, { fixedMs: 20 })).toEqual(receipt);
  });

  test("hands an abort on with its reason, and blames nobody else for it", async () => {
    const controller = new AbortController();
    const reason = new DeliveryError("cancelled", "A deploy.");
    let seen: unknown;
    const writer = busyWriter(async (source, signal) => {
      await source.read();
      setTimeout(() => controller.abort(reason), 10);
      await untilAborted(signal).finally(() => {
        seen = signal.reason;
      });
    });
    expect(await attempt(writer, {}, controller.signal)).toMatchObject({ kind: "cancelled" });
    expect(seen).toBe(reason);
    expect(
      await attempt(
        busyWriter((_, signal) => untilAborted(signal)),
        {},
        AbortSignal.abort(reason),
      ),
    ).toMatchObject({ kind: "cancelled" });
  });

  test("of content whose size nobody knows does not exist; one beyond all timers is no moment", async () => {
    for (const bytes of [undefined, 1024 ** 4]) {
      const deadline = createDeadline(new AbortController().signal, bytes, { fixedMs: 0 });
      deadline.start();
      await sleep(30);
      expect([deadline.error, deadline.signal.aborted]).toEqual([undefined, false]);
      deadline.stop();
    }
  });

  test("lets go of the signal that outlives it", async () => {
    const { signal } = new AbortController();
    const held: unknown[] = [];
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...all: Parameters<typeof addEventListener>) => {
      held.push(all[1]);
      addEventListener.apply(signal, all);
    };
    signal.removeEventListener = (...all: Parameters<typeof removeEventListener>) => {
      held.splice(held.indexOf(all[1]), 1);
      removeEventListener.apply(signal, all);
    };
    await attempt(createMemoryWriter(), {}, signal);
    expect(held).toEqual([]);
  });
});

describe("a server that swallows everything and never answers is given up at the deadline", () => {
  const limits = { fixedMs: 200 };
  const late = {
    kind: "unavailable",
    code: "ETIMEDOUT",
    message: expect.stringContaining("ended after 0.2"),
  };

  test("S3", async () => {
    const connection = createS3Connection(
      readS3ConnectionOptions({
        endpoint: `http://127.0.0.1:${port}`,
        pathStyle: true,
        accessKeyId: "a",
        secretAccessKey: "b",
      }),
    );
    const writer = createS3Writer(connection, readS3WriterOptions({ bucket: "deliveries" }));
    expect(await attempt(writer, limits)).toMatchObject(late);
    connection.close();
  });

  test("FTP, when the file has gone", async () => {
    const server = await startFtpServer();
    server.hook = (command) => (command === "STOR" ? { stallAfterBytes: 1 } : undefined);
    const { host, user, password } = server;
    const connection = createFtpConnection(
      readFtpConnectionOptions({ host, port: server.port, user, password }),
    );
    const writer = createFtpWriter(connection, readFtpWriterOptions({}));
    expect(await attempt(writer, limits)).toMatchObject(late);
    await connection.close();
    await server.close();
  });
});
