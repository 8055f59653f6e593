import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  createSftpConnection,
  createSftpWriter,
  readSftpConnectionOptions,
  readSftpWriterOptions,
} from "../../../src/lib/writers/sftp";
import { testSource } from "../../support/sources";

/** Something at a port that is no SSH server, and a delivery to it. */
async function deliverTo(answer: (socket: Socket) => void, signal = new AbortController().signal) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    // Whoever does not read is not told of the end.
    socket.resume();
    answer(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { sockets, result: deliver(typeof address === "object" && address ? address.port : 0, signal) };
}

async function deliver(port: number, signal: AbortSignal): Promise<unknown> {
  const connection = createSftpConnection(
    readSftpConnectionOptions({
      host: "127.0.0.1",
      port,
      user: "me",
      password: "c4nary",
      hostKeys: `SHA256:${"A".repeat(43)}`,
      connectTimeoutMs: 500,
    }),
  );
  const writer = createSftpWriter(connection, readSftpWriterOptions({}));
  const request = { deliveryId: "1", target: "a.txt", contentType: undefined, metadata: {}, attributes: {} };
  try {
    return await writer.write(testSource(Buffer.from("x")), request, { signal, onProgress: () => {} });
  } catch (error) {
    return error;
  } finally {
    await connection.close();
  }
}

describe("what is not an SSH server", () => {
  test.each<[string, (socket: Socket) => void, string, RegExp]>([
    ["silent", () => {}, "ETIMEDOUT", /did not answer in time/],
    ["closing at once", (socket) => socket.end(), "ECONNRESET", /how many connections it takes/],
    ["resetting at once", (socket) => socket.resetAndDestroy(), "ECONNRESET", /closed the connection/],
    [
      "full",
      (socket) => socket.end("Exceeded MaxStartups\r\n"),
      "ECONNRESET",
      /closed the connection while connecting/,
    ],
    ["silent after its first line", (socket) => socket.write("SSH-2.0-x\r\n"), "ETIMEDOUT", /in time/],
    [
      "closing after its first line",
      (socket) => socket.end("SSH-2.0-x\r\n"),
      "ECONNRESET",
      /closed the connection/,
    ],
  ])("%s: unavailable", async (_title, answer, code, sentence) => {
    const { result, sockets } = await deliverTo(answer);
    expect(await result).toMatchObject({
      kind: "unavailable",
      code,
      message: expect.stringMatching(sentence),
    });
    await expect
      .poll(() => [...sockets].every((socket) => socket.destroyed || socket.readableEnded))
      .toBe(true);
  });

  test("one that speaks HTTP: unavailable, as it can be anything", async () => {
    const { result } = await deliverTo((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expect(await result).toMatchObject({ kind: "unavailable" });
  });

  test("nothing at all", async () => {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const address = probe.address();
    probe.close();
    await once(probe, "close");
    const port = typeof address === "object" && address ? address.port : 0;
    const error = await deliver(port, new AbortController().signal);
    expect(error).toMatchObject({ kind: "unavailable", code: "ECONNREFUSED" });
  });

  test("an abort while connecting ends at once", async () => {
    const startedAt = performance.now();
    const { result } = await deliverTo(() => {}, AbortSignal.timeout(100));
    expect(await result).toMatchObject({ kind: "cancelled" });
    expect(performance.now() - startedAt).toBeLessThan(400);
  });
});
