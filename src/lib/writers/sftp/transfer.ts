import type { Readable } from "node:stream";
import type { Stats } from "ssh2";
import { DeliveryError, interrupted } from "../../errors";
import type { DataSource } from "../../types";
import { type DigestAlgorithm, type Fingerprint, type RunningDigests, runningDigests } from "../digests";
import { openReading, unreadable } from "../publication";
import { type SftpStatus, sftpStatus } from "./errors";
import { createPipeline } from "./pipeline";
import type { SftpSession } from "./session";

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
  /** What was sent and not answered yet, by its place in the file: a look at the file has to compare it. */
  readonly unanswered: Map<number, Uint8Array>;
  /** As the server says; undefined when it does not. */
  size: number | undefined;
}

export function emptyUpload(): Upload {
  return { stage: "nothing", bytes: 0, sha256: "", digests: {}, unanswered: new Map(), size: undefined };
}

export interface UploadContext {
  signal: AbortSignal;
  onProgress: (bytes: number) => void;
  /** Do not write into a file that is there already. */
  exclusive: boolean;
  /** What to compute of the content besides its SHA-256. */
  digests: readonly DigestAlgorithm[];
}

/** A server flushes a big file to its disk before it answers. */
const flushBytesPerMs = 10_000;

/**
 * Sends the whole source to `path`, and has it flushed where the server can.
 * @returns the server's reason when it refused before a byte was sent
 * @throws DeliveryError the source's own when the source failed
 */
export async function store(
  session: SftpSession,
  path: string,
  source: DataSource,
  upload: Upload,
  { signal, onProgress, exclusive, digests }: UploadContext,
): Promise<SftpStatus | undefined> {
  const reading = await openReading(source, signal);
  const { stream } = reading;
  const running = runningDigests(digests);
  // It may fail while nobody reads yet; the reader is told then.
  stream.on("error", ignore);
  const onAbort = () => stream.destroy(interrupted());
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    upload.stage = "asked";
    const opened = await session.ask<Buffer>(
      (sftp, done) => sftp.open(path, exclusive ? "wx" : "w", done),
      "store",
      { path },
    );
    if (opened.status) {
      upload.stage = "nothing";
      return opened.status;
    }
    upload.stage = "partial";
    await withHandle(session, path, opened.value, async (handle) => {
      // A source that is slow to give its next bytes must not hide that nobody takes them any more.
      const onFailure = (error: DeliveryError) => stream.destroy(error);
      const pipeline = createPipeline({ session, handle, path, upload, onProgress, onFailure });
      await pipeline.run(content(stream, running));
      const sha256 = reading.sha256();
      const known = { bytes: reading.bytes, sha256, digests: { ...running.digests(), sha256 } };
      Object.assign(upload, { stage: "sent", ...known });
      await pipeline.drained();
      upload.stage = "stored";
      await settle(session, path, handle, upload);
    });
    return undefined;
  } finally {
    signal.removeEventListener("abort", onAbort);
    stream.destroy();
  }
}

/** Flushes the file, and asks for its size. */
async function settle(session: SftpSession, path: string, handle: Buffer, upload: Upload): Promise<void> {
  await flush(session, path, handle, upload.bytes);
  const stats = await session.ask<Stats>((sftp, done) => sftp.fstat(handle, done), "look", { path });
  upload.size = stats.status ? undefined : stats.value.size;
}

/** `fsync@openssh.com` (OpenSSH's PROTOCOL, §4.6), where there is one. */
export async function flush(
  session: SftpSession,
  path: string,
  handle: Buffer,
  bytes: number,
): Promise<void> {
  const { facts, idleTimeoutMs } = session.context;
  if (facts.unknown.has("fsync")) return;
  const limitMs = idleTimeoutMs + bytes / flushBytesPerMs;
  const { status } = await session.ask<void>(
    (sftp, done) => sftp.ext_openssh_fsync(handle, (error) => done(error)),
    "store",
    { path },
    limitMs,
  );
  if (status?.code === sftpStatus.unsupported) facts.unknown.add("fsync");
  else if (status) throw session.refusal(status, "store", { path });
}

/** Closes the handle in any case. What closing says counts only when nothing else went wrong. */
export async function withHandle(
  session: SftpSession,
  path: string,
  handle: Buffer,
  work: (handle: Buffer) => Promise<void>,
): Promise<void> {
  const close = () => session.ask<void>((sftp, done) => sftp.close(handle, done), "store", { path });
  try {
    await work(handle);
  } catch (error) {
    if (session.usable) await close().catch(ignore);
    throw error;
  }
  // Some file systems report only now that they could not keep the bytes.
  const { status } = await close();
  if (status) throw session.refusal(status, "store", { path });
}

/** The source's chunks. Its own error comes as a `DeliveryError`, which those of the session are already. */
async function* content(stream: Readable, running: RunningDigests): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) {
      running.update(chunk);
      yield chunk;
    }
  } catch (error) {
    throw error instanceof DeliveryError ? error : unreadable(error);
  }
}

function ignore(): void {}
