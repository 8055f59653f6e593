import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { startFtpServer } from "../../../demo/servers/ftp";
import { startS3Server } from "../../../demo/servers/s3";
import {
  type AttemptFunction,
  createFtpConnection,
  createFtpWriter,
  createMemoryWriter,
  createS3Connection,
  createS3Writer,
  createSpool,
  type Delivery,
  DeliveryError,
  readFtpConnectionOptions,
  readFtpWriterOptions,
  readS3ConnectionOptions,
  readS3WriterOptions,
  retryDelivery,
  threeQuickTries,
  type Writer,
  writerAttempt,
} from "../../../src/lib";
import { createBench, poll, receipt, succeed } from "./runner-bench";

/** What the small program that this package descends from promised about itself, in its own seven tests. */

const spool = createSpool({ folder: path.join(tmpdir(), `ancestor-test-${process.pid}`) });
const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The ancestor's three tries, without their waits of 1 s and 2 s, which are not what is tried here. */
const threeTries = { ...threeQuickTries, firstDelayMs: 0 };

/** A runner with a success and a failure handler, which are called only at the very end. */
function runnerWithHandlers(attempt: AttemptFunction, { retries }: { retries: boolean }) {
  const bench = createBench();
  const onSuccess = vi.fn<(delivery: Delivery) => void>();
  const onFailure = vi.fn<(delivery: Delivery) => void>();
  const onRetry = vi.fn<(delivery: Delivery) => void>();
  bench.start({
    attempt,
    announce: async (delivery) => {
      if (delivery.state !== "failed") return onSuccess(delivery);
      if (!retries) return onFailure(delivery);
      const outcome = await retryDelivery(bench.store, { id: delivery.id, policy: threeTries, by: "retry" });
      if (outcome.state === "waiting") onRetry(outcome.delivery);
      if (outcome.state === "gave-up") onFailure(outcome.delivery);
    },
  });
  return { ...bench, onSuccess, onFailure, onRetry };
}

const fail = () => Promise.reject(new DeliveryError("unavailable", "A simulated failure."));

test("1: a delivery reads the source and calls the writer", async () => {
  const writer = createMemoryWriter();
  const { start, accept, reaches } = createBench();
  start({ attempt: writerAttempt(writer, { spool }) });
  const { id } = await accept({ source: { kind: "text", name: "a.txt", text: "abc" }, target: "b/a.txt" });
  const delivered = await reaches(id, "delivered");
  expect([...writer.files].map(([name, bytes]) => [name, String(bytes)])).toEqual([["b/a.txt", "abc"]]);
  expect(delivered.receipt).toMatchObject({ location: "memory:/b/a.txt", bytes: 3 });
});

test("2: retrying calls what it retries exactly three times", async () => {
  const attempt = vi.fn(fail);
  const { accept, reaches } = runnerWithHandlers(attempt, { retries: true });
  const { id } = await accept();
  const gaveUp = await reaches(id, "gave-up");
  expect(attempt).toHaveBeenCalledTimes(3);
  expect(gaveUp.attempts.map(({ n }) => n)).toEqual([1, 2, 3]);
});

const handlers: [title: string, retries: boolean, failures: number, success: number, failure: number][] = [
  ["3: success calls the success handler once", false, 0, 1, 0],
  ["4: failure calls the failure handler once", false, 1, 0, 1],
  ["5: success after two retries calls the success handler once", true, 2, 1, 0],
  ["6: failure after all retries calls the failure handler once", true, 3, 0, 1],
];
test.each(handlers)("%s, and the other one never", async (_title, retries, failures, success, failure) => {
  const attempt = vi.fn<AttemptFunction>(succeed);
  for (let n = 0; n < failures; n++) attempt.mockImplementationOnce(fail);
  const { accept, onSuccess, onFailure, onRetry } = runnerWithHandlers(attempt, { retries });
  const { id } = await accept();
  await poll(() => onSuccess.mock.calls.length + onFailure.mock.calls.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect([onSuccess.mock.calls.length, onFailure.mock.calls.length]).toEqual([success, failure]);
  expect(onRetry).toHaveBeenCalledTimes(retries ? Math.min(failures, 2) : 0);
  const [last] = [...onSuccess.mock.calls, ...onFailure.mock.calls].flat();
  expect(last).toMatchObject({
    id,
    ...(success && { receipt }),
    ...(failure && { error: { kind: "unavailable" } }),
  });
});

describe("7: writers connect, write and disconnect", () => {
  async function deliverOnce(writer: Writer): Promise<Delivery> {
    const { start, accept, reaches } = createBench();
    start({ attempt: writerAttempt(writer, { spool }) });
    const { id } = await accept();
    return reaches(id, "delivered");
  }

  test("FTP", async () => {
    const server = await startFtpServer();
    cleanups.push(() => server.close());
    const { host, port, user, password } = server;
    const connection = createFtpConnection(readFtpConnectionOptions({ host, port, user, password }));
    const writer = createFtpWriter(connection, readFtpWriterOptions({}));
    expect(server.sessions.size).toBe(0);
    const { receipt: proof } = await deliverOnce(writer);
    expect(proof).toMatchObject({ bytes: 7, verified: "read-back" });
    expect(server.sessions.size).toBe(1);
    expect(server.commands.filter((command) => command.startsWith("STOR"))).toHaveLength(1);
    await writer.close();
    await connection.close();
    await poll(() => server.sessions.size).toBe(0);
  });

  test("S3", async () => {
    const server = await startS3Server();
    cleanups.push(() => server.close());
    server.createBucket("deliveries");
    const door = await countingDoor(server.port);
    const { accessKeyId, secretAccessKey } = server;
    const endpoint = `http://127.0.0.1:${door.port}`;
    const connection = createS3Connection(
      readS3ConnectionOptions({ endpoint, pathStyle: true, accessKeyId, secretAccessKey }),
    );
    const writer = createS3Writer(connection, readS3WriterOptions({ bucket: "deliveries" }));
    const { receipt: proof } = await deliverOnce(writer);
    expect(proof).toMatchObject({ bytes: 7, verified: "checksum" });
    expect(String(await server.read("deliveries", "report.txt"))).toBe("content");
    expect(door.open.size).toBeGreaterThan(0);
    await writer.close();
    connection.close();
    await poll(() => door.open.size).toBe(0);
  });
});

/** Lets connections through to a port and knows which are open. */
async function countingDoor(to: number): Promise<{ port: number; open: ReadonlySet<Socket> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    const onwards = connect(to, "127.0.0.1");
    socket.on("error", () => onwards.destroy()).on("close", () => open.delete(socket));
    onwards.on("error", () => socket.destroy());
    socket.pipe(onwards).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, open };
}
