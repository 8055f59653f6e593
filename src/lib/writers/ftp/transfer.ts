import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { DeliveryError } from "../../errors";
import type { DataSource } from "../../types";
import { type DigestAlgorithm, type Fingerprint, type RunningDigests, runningDigests } from "../digests";
import { openReading, unreadable } from "../publication";
import { openDataConnection, secured, watch } from "./data-connection";
import type { FtpReply } from "./errors";
import type { FtpSession } from "./session";

/** How far an upload came. After a failure it decides what has to be found out or cleaned up. */
export interface Upload extends Fingerprint {
  /**
   * - `nothing`: the server holds nothing of it
   * - `asked`: it was asked to take it, and may have opened the file
   * - `partial`: it has opened the file, and may hold some of it
   * - `sent`: it may hold all of it
   * - `stored`: it said that it holds all of it
   */
  stage: "nothing" | "asked" | "partial" | "sent" | "stored";
  /** Whether it was the source that broke off. */
  sourceFailed?: boolean;
}

export interface UploadContext {
  signal: AbortSignal;
  onProgress: (bytes: number) => void;
  /** What to compute of the content besides its SHA-256. */
  digests: readonly DigestAlgorithm[];
  /** The name for sentences: that of the target, where `path` is a temporary one. */
  shown: string;
  /** So many of the first bytes are there already. They are read, for the digests, and not sent. */
  resumeAt?: number;
}

/**
 * Sends the source to `path`, as a whole or from `resumeAt` on.
 * @returns the server's last reply; one from 400 on when it refused before a byte was sent
 * @throws DeliveryError the source's own when the source failed
 */
export async function store(
  session: FtpSession,
  path: string,
  source: DataSource,
  upload: Upload,
  { signal, onProgress, digests, shown, resumeAt = 0 }: UploadContext,
): Promise<FtpReply> {
  const reading = await openReading(source, signal);
  const { stream } = reading;
  // It may fail while nobody reads yet; the reader is told then.
  stream.on("error", ignore);
  const running = runningDigests(digests);
  const recycle = reading.recycle ?? ignore;
  const pass: Pass = { stream, chunks: stream[Symbol.asyncIterator](), recycle, running };
  const know = () => {
    const sha256 = reading.sha256();
    Object.assign(upload, { bytes: reading.bytes, sha256, digests: { ...running.digests(), sha256 } });
  };
  let socket: Socket | undefined;
  try {
    // Before the server waits for data: reading may take longer than its patience.
    if (resumeAt > 0) pass.first = await skip(pass, upload, resumeAt);
    const data = await openDataConnection(session);
    socket = data;
    upload.stage = "asked";
    const command = resumeAt > 0 ? await resumeCommand(session, path, resumeAt) : "STOR";
    if (resumeAt > 0) onProgress(resumeAt);
    const details = { path: shown, folderExists: true };
    const reply = await session.transfer(
      `${command} ${path}`,
      () => send(session, data, pass, upload, onProgress),
      "store",
      details,
    );
    upload.stage = reply.code < 400 ? "stored" : "nothing";
    if (upload.stage === "stored") know();
    return reply;
  } catch (error) {
    if (upload.stage === "sent") know();
    // An orderly end would tell the server that the file is complete. TLS has its own end for that.
    if (socket && !("encrypted" in socket)) socket.resetAndDestroy();
    throw error;
  } finally {
    stream.destroy();
    socket?.destroy();
  }
}

/**
 * REST and STOR write the same bytes to the same place, should the lost session still be writing there
 * (RFC 3659 §5); some servers know only APPE.
 */
async function resumeCommand(session: FtpSession, path: string, resumeAt: number): Promise<string> {
  const reply = await session.ask(`REST ${resumeAt}`, "store", { path });
  return reply.code < 400 ? "STOR" : "APPE";
}

/** One pass over the source. */
interface Pass {
  stream: Readable;
  chunks: AsyncIterator<Uint8Array>;
  recycle: (chunk: Uint8Array) => void;
  running: RunningDigests;
  /** What was read already and has to be sent before the rest. */
  first?: Uint8Array;
}

/** @returns what comes after the first `bytes` in the last chunk that was read */
async function skip(pass: Pass, upload: Upload, bytes: number): Promise<Uint8Array> {
  let left = bytes;
  while (left > 0) {
    const chunk = await nextChunk(pass, upload);
    if (!chunk) return new Uint8Array();
    pass.running.update(chunk);
    if (chunk.length > left) return chunk.subarray(left);
    left -= chunk.length;
    pass.recycle(chunk);
  }
  return new Uint8Array();
}

async function send(
  session: FtpSession,
  socket: Socket,
  pass: Pass,
  upload: Upload,
  onProgress: (bytes: number) => void,
): Promise<void> {
  upload.stage = "partial";
  const { waiting, stop } = watch(session, socket);
  // A source that is slow to give its next bytes must not hide that nobody takes them any more.
  socket.once("close", () => pass.stream.destroy());
  // Unread TLS tickets would turn our close into a reset, which can cost the last bytes.
  socket.resume();
  try {
    await waiting(secured(socket));
    for await (const chunk of content(pass, upload, socket)) {
      if (!socket.write(chunk, () => pass.recycle(chunk))) await waiting(drained(socket));
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
async function* content(pass: Pass, upload: Upload, socket: Socket): AsyncGenerator<Uint8Array> {
  if (pass.first?.length) yield pass.first;
  for (;;) {
    const chunk = await nextChunk(pass, upload, socket);
    if (!chunk) return;
    pass.running.update(chunk);
    yield chunk;
  }
}

async function nextChunk({ chunks }: Pass, upload: Upload, socket?: Socket): Promise<Uint8Array | undefined> {
  const isClosed = () => socket?.destroyed || socket?.writableEnded;
  try {
    const { done, value } = await chunks.next();
    if (socket && isClosed()) throw closedEarly(socket);
    return done ? undefined : value;
  } catch (error) {
    if (socket && isClosed() && !(error instanceof DeliveryError)) throw closedEarly(socket);
    upload.sourceFailed = true;
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

function closedEarly(socket: Socket): Error {
  return (
    socket.errored ?? Object.assign(new Error("The data connection was closed early"), { code: "ECONNRESET" })
  );
}

function ignore(): void {}
