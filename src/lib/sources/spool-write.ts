import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { DeliveryError } from "../errors";
import { chunkBytes } from "./reading";
import { alreadyRead, cancelled, classifyStreamError, tooLarge } from "./source-errors";
import type { PutOptions } from "./spool";

export interface Written {
  /** Lower-case hex. */
  sha256: string;
  /** In bytes. */
  size: number;
}

/**
 * Writes the stream to a new file, readable by its owner only, and waits until the disk has it.
 * @throws DeliveryError from the stream, otherwise the file system's error
 */
export async function writeStream(file: string, stream: Readable, options: PutOptions): Promise<Written> {
  const { signal, maxBytes = Infinity } = options;
  if (stream.readableEnded) throw alreadyRead();
  const abort = () => stream.destroy(cancelled(signal?.reason));
  if (signal?.aborted) throw cancelled(signal.reason);
  signal?.addEventListener("abort", abort, { once: true });
  // An error may come while the disk is waited for; the loop below sees it afterwards.
  stream.on("error", () => {});
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      const written = await writeChunks(handle, chunksOf(stream), maxBytes);
      if (signal?.aborted) throw cancelled(signal.reason);
      await handle.sync();
      return written;
    } finally {
      await handle.close();
    }
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

async function* chunksOf(stream: Readable): AsyncGenerator<Buffer> {
  const chunks = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await chunks.next().catch((error: unknown) => {
        throw classifyStreamError(error, "the content");
      });
      if (done) return;
      if (typeof value === "string") yield Buffer.from(value);
      else if (value instanceof Uint8Array) yield Buffer.from(value.buffer, value.byteOffset, value.length);
      else throw new DeliveryError("invalid", "The content's stream must give text or bytes.");
    }
  } finally {
    stream.destroy();
  }
}

/** Hashes while the disk writes. Small chunks are gathered: a call for each would take most of the time. */
async function writeChunks(
  handle: FileHandle,
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): Promise<Written> {
  const hash = createHash("sha256");
  const gathered = Buffer.allocUnsafe(chunkBytes / 2);
  let filled = 0;
  let size = 0;
  const flush = async (): Promise<void> => {
    const length = filled;
    filled = 0;
    await writeAll(handle, gathered.subarray(0, length));
  };

  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    if (filled + chunk.length > gathered.length) await flush();
    if (chunk.length < gathered.length / 2) {
      filled += chunk.copy(gathered, filled);
      hash.update(chunk);
    } else {
      await flush();
      const writing = writeAll(handle, chunk);
      hash.update(chunk);
      await writing;
    }
  }
  await flush();
  return { sha256: hash.digest("hex"), size };
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.write(rest);
    rest = rest.subarray(bytesWritten);
  }
}
