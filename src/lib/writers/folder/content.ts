import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, DeliveryError, interrupted } from "../../errors";
import type { SourceReading } from "../../types";
import { companionDigests } from "../companions";
import { runningDigests } from "../digests";
import { openReading, unreadable } from "../publication";
import { type Job, pathsOf, within } from "./job";

/** Flushed piece by piece, no single flush of a big file takes longer than an operation may. */
const flushEveryBytes = 64 * 1024 * 1024;
const smallFileBytes = 8 * 1024 * 1024;
const closeTimeoutMs = 1_000;
const readBackBytes = 1024 * 1024;

/**
 * Writes the whole source to the temporary file, makes it last, and compares what is there.
 * @throws DeliveryError the source's own when the source failed
 */
export async function writeContent(job: Job): Promise<void> {
  const { final } = pathsOf(job);
  const reading = await openReading(job.source, job.context.signal);
  // It may fail while nobody reads yet; the reader is told then.
  reading.stream.on("error", ignore);
  const onAbort = () => reading.stream.destroy(interrupted());
  job.context.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const { handle, mode } = await openTemporary(job);
    try {
      await copy(job, reading, handle);
      await within(job, "write", final, () => settle(job, handle, mode));
    } catch (error) {
      // A file system that does not answer is not waited for twice.
      await Promise.race([handle.close().catch(ignore), sleep(closeTimeoutMs, undefined, { ref: false })]);
      throw error;
    }
    await within(job, "write", final, () => handle.close());
  } finally {
    job.context.signal.removeEventListener("abort", onAbort);
    reading.stream.destroy();
  }
  await check(job);
}

/** Readable by its owner only until it is complete; the mode is what the umask leaves for later. */
async function openTemporary(job: Job): Promise<{ handle: FileHandle; mode: number }> {
  const { final, temporary } = pathsOf(job);
  const { fileMode } = job.options;
  const start = async () => {
    // An earlier attempt's, if there is one. Never written through: it could be a link by now.
    await rm(temporary, { force: true });
    const handle = await open(temporary, "wx", fileMode === undefined ? 0o666 : 0o600);
    try {
      const { mode, ino } = await handle.stat({ bigint: true });
      job.inode = ino;
      await allow(handle, 0o600);
      return { handle, mode: fileMode ?? Number(mode) & 0o777 };
    } catch (error) {
      await handle.close();
      throw error;
    }
  };
  const starting = start();
  job.temporary = true;
  try {
    return await within(job, "write", final, () => starting);
  } catch (error) {
    // It may come after all, when nobody waits any more.
    starting.then(({ handle }) => handle.close()).catch(ignore);
    throw error;
  }
}

async function copy(job: Job, reading: SourceReading, handle: FileHandle): Promise<void> {
  const { final } = pathsOf(job);
  const running = runningDigests(companionDigests(job.companions));
  let unflushed = 0;
  for await (const chunk of content(reading.stream)) {
    await within(job, "write", final, async () => {
      await writeAll(handle, chunk);
      unflushed += chunk.length;
      if (unflushed < flushEveryBytes) return;
      unflushed = 0;
      await handle.datasync();
    });
    job.bytes += chunk.length;
    running.update(chunk);
    reading.recycle?.(chunk);
    job.context.onProgress(chunk.length);
  }
  if (job.context.signal.aborted) throw interrupted();
  job.sha256 = reading.sha256();
  job.digests = running.digests();
}

async function* content(stream: SourceReading["stream"]): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk;
  } catch (error) {
    throw unreadable(error);
  }
}

/** write(2) may take less than it is given. */
async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, offset);
    offset += bytesWritten;
  }
}

/** Everything about the file is as it shall be before it gets its name. */
async function settle(job: Job, handle: FileHandle, mode: number): Promise<void> {
  const { size } = await handle.stat();
  if (size !== job.bytes) throw damaged(job, `holds ${size} of ${job.bytes} bytes`, "SIZE_MISMATCH");
  if (!(await allow(handle, mode)) && job.options.fileMode !== undefined) {
    job.notes.push("The file system there knows no permissions, so they were left as they are.");
  }
  await handle.sync();
  job.verified = "size";
}

/** @returns whether the file system knows permissions */
async function allow(handle: FileHandle, mode: number): Promise<boolean> {
  try {
    await handle.chmod(mode);
    return true;
  } catch (error) {
    if (["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(codeOf(error) ?? "")) return false;
    throw error;
  }
}

async function check(job: Job): Promise<void> {
  const { verify } = job.options;
  if (verify === "size" || (verify === "small-files" && job.bytes > smallFileBytes)) return;
  const { sha256 } = await digestOfFile(job, pathsOf(job).temporary);
  if (sha256 !== job.sha256) throw damaged(job, "has other content than was written", "CHECKSUM_MISMATCH");
  job.verified = "read-back";
}

/** Size and SHA-256 of a file. A symbolic link is not followed. */
export async function digestOfFile(job: Job, path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);
  const stream = createReadStream(path, { flags: flags as unknown as string, highWaterMark: readBackBytes });
  const iterator = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await within(job, "read", path, () => iterator.next());
      if (done) break;
      if (job.context.signal.aborted) throw interrupted();
      hash.update(value);
      bytes += value.length;
    }
  } finally {
    stream.destroy();
  }
  return { bytes, sha256: hash.digest("hex") };
}

function damaged(job: Job, what: string, code: string): DeliveryError {
  const { final } = pathsOf(job);
  return new DeliveryError(
    "unavailable",
    `The new file for ${final} ${what}: it was damaged while it was written.`,
    {
      code,
      maxAttempts: 3,
    },
  );
}

function ignore(): void {}
