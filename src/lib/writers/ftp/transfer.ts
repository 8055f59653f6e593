import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { DeliveryError } from "../../errors";
import type { DataSource } from "../../types";
import { openReading, unreadable } from "../publication";
import { openDataConnection, secured } from "./data-connection";
import type { FtpReply } from "./errors";
import type { FtpSession } from "./session";

/** How far an upload came. After a failure it decides what has to be found out or cleaned up. */
export interface Upload {
  /**
   * - `nothing`: the server holds nothing of it
   * - `asked`: it was asked to take it, and may have opened the file
   * - `partial`: it has opened the file, and may hold some of it
   * - `sent`: it may hold all of it
   * - `stored`: it said that it holds all of it
   */
  stage: "nothing" | "asked" | "partial" | "sent" | "stored";
  bytes: number;
  sha256: string;
}

export interface UploadContext {
  signal: AbortSignal;
  onProgress: (bytes: number) => void;
}

/**
 * Sends the whole source to `path`.
 * @returns the server's last reply; one from 400 on when it refused before a byte was sent
 * @throws DeliveryError the source's own when the source failed
 */
export async function store(
  session: FtpSession,
  path: string,
  source: DataSource,
  upload: Upload,
  { signal, onProgress }: UploadContext,
): Promise<FtpReply> {
  const reading = await openReading(source, signal);
  const { stream } = reading;
  // It may fail while nobody reads yet; the reader is told then.
  stream.on("error", ignore);
  let socket: Socket | undefined;
  try {
    const data = await openDataConnection(session);
    socket = data;
    upload.stage = "asked";
    const details = { path, folderExists: true };
    const reply = await session.transfer(
      `STOR ${path}`,
      () => send(session, data, stream, upload, onProgress),
      "store",
      details,
    );
    upload.stage = reply.code < 400 ? "stored" : "nothing";
    if (upload.stage === "stored") Object.assign(upload, { bytes: reading.bytes, sha256: reading.sha256() });
    return reply;
  } catch (error) {
    if (upload.stage === "sent") Object.assign(upload, { bytes: reading.bytes, sha256: reading.sha256() });
    // An orderly end would tell the server that the file is complete. TLS has its own end for that.
    if (socket && !("encrypted" in socket)) socket.resetAndDestroy();
    throw error;
  } finally {
    stream.destroy();
    socket?.destroy();
  }
}

async function send(
  session: FtpSession,
  socket: Socket,
  stream: Readable,
  upload: Upload,
  onProgress: (bytes: number) => void,
): Promise<void> {
  upload.stage = "partial";
  const { waiting, stop } = watch(session, socket);
  // A source that is slow to give its next bytes must not hide that nobody takes them any more.
  socket.once("close", () => stream.destroy());
  // Unread TLS tickets would turn our close into a reset, which can cost the last bytes.
  socket.resume();
  try {
    await waiting(secured(socket));
    for await (const chunk of content(stream, socket)) {
      if (!socket.write(chunk)) await waiting(drained(socket));
      onProgress(chunk.length);
    }
    upload.stage = "sent";
    await waiting(
      new Promise<void>((resolve, reject) => {
        socket.once("close", () => reject(closedEarly(socket)));
        // The callback is given the error when the end could not be sent.
        socket.end((error?: Error | null) => (error ? reject(error) : resolve()));
      }),
    );
  } finally {
    stop();
  }
}

/** The source's chunks. Its own error comes as a `DeliveryError`, the connection's as it is. */
async function* content(stream: Readable, socket: Socket): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) {
      if (socket.destroyed || socket.writableEnded) throw closedEarly(socket);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof DeliveryError) throw error;
    if (socket.destroyed || socket.writableEnded) throw closedEarly(socket);
    throw unreadable(error);
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = () => reject(closedEarly(socket));
    socket.once("close", onClose);
    socket.once("drain", () => {
      socket.off("close", onClose);
      resolve();
    });
    if (socket.destroyed) onClose();
  });
}

/**
 * Fails what waits for the network when no byte moves for the session's idle time. Time in which the
 * source has nothing to give does not count: a source has its own limit.
 */
function watch(session: FtpSession, socket: Socket) {
  let waits = false;
  socket.setTimeout(session.context.idleTimeoutMs);
  socket.on("timeout", () => {
    if (waits) socket.destroy(new Error("Timeout: the data connection stalled"));
  });
  return {
    async waiting(work: Promise<void>): Promise<void> {
      waits = true;
      await work;
      waits = false;
    },
    stop: () => socket.setTimeout(0),
  };
}

function closedEarly(socket: Socket): Error {
  return (
    socket.errored ?? Object.assign(new Error("The data connection was closed early"), { code: "ECONNRESET" })
  );
}

/**
 * The SHA-256 of a file on the server, found by reading it back; undefined when the server does not let us.
 * @throws DeliveryError
 */
export async function readBack(session: FtpSession, path: string): Promise<{ sha256: string } | undefined> {
  const socket = await openDataConnection(session);
  const hash = createHash("sha256");
  const { waiting, stop } = watch(session, socket);
  const receive = async () => {
    for await (const chunk of socket) hash.update(chunk);
  };
  try {
    const reply = await session.transfer(`RETR ${path}`, () => waiting(receive()), "read", { path });
    return reply.code < 400 ? { sha256: hash.digest("hex") } : undefined;
  } finally {
    stop();
    socket.destroy();
  }
}

function ignore(): void {}
