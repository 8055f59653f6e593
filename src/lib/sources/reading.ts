import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { DeliveryError } from "../errors";
import { capitalised } from "../quotation";
import type { ReadOptions, SourceReading } from "../types";
import { cancelled } from "./source-errors";

/** Files are read in pieces of this size: with less the calls cost more than the reading. */
export const chunkBytes = 512 * 1024;

export const defaultStallTimeoutMs = 60_000;

/** Where bytes come from, asked for one chunk at a time. */
export interface Feed {
  /**
   * The next chunk, undefined after the last. Never called while a call is under way.
   * @throws DeliveryError and nothing else
   */
  next(): Promise<Uint8Array | undefined>;
  /** As in `SourceReading`. */
  recycle?: (chunk: Uint8Array) => void;
  /** Lets go of what is open, also while `next` is under way. Called once. */
  close(): void;
}

/** Memory to read into. What is given back is used again; whatever else is given is left alone. */
export function reusedBuffers(bytes: number): { take(): Buffer; recycle(chunk: Uint8Array): void } {
  const spare: Buffer[] = [];
  // What nobody gives back must not stay for that.
  const taken = new WeakMap<ArrayBufferLike, Buffer>();
  return {
    take() {
      const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(bytes);
      taken.set(buffer.buffer, buffer);
      return buffer;
    },
    recycle({ buffer: memory }) {
      const buffer = taken.get(memory);
      if (buffer && taken.delete(memory)) spare.push(buffer);
    },
  };
}

/** Asks for the next chunk before it is wanted, so that the disk works while the last one is hashed. */
export function readAhead(feed: Feed): Feed {
  let ahead: Promise<Uint8Array | undefined> | undefined;
  return {
    async next() {
      const chunk = await (ahead ?? feed.next());
      ahead = chunk && feed.next();
      // Its error is for whoever asks for it; nobody may ever do.
      ahead?.catch(() => {});
      return chunk;
    },
    close: feed.close,
    ...(feed.recycle && { recycle: feed.recycle }),
  };
}

export interface StreamOptions {
  signal?: AbortSignal | undefined;
  /** For sentences: `the file /data/a.csv`. */
  what: string;
  /** How long a feed may give nothing while it is asked. */
  stallTimeoutMs?: number | undefined;
  onChunk?: (chunk: Uint8Array) => void;
  /** Called instead of ending; what it throws is the stream's error. */
  beforeEnd?: () => void;
}

/**
 * A stream that asks the feed only when somebody reads. Its clock for stalls runs only while the feed is
 * being asked: a slow reader is no fault of the source.
 */
export function streamOf(feed: Feed, options: StreamOptions): Readable {
  const { signal, onChunk, beforeEnd, stallTimeoutMs = defaultStallTimeoutMs } = options;
  let asking = false;
  let clock: NodeJS.Timeout | undefined;

  const onStall = () => {
    if (asking) stream.destroy(stalled(options.what, stallTimeoutMs));
  };
  // One timer for the whole pass: a new one for each chunk would cost more than small chunks do.
  const watch = () => {
    if (clock) clock.refresh();
    else clock = setTimeout(onStall, stallTimeoutMs);
  };
  const give = (chunk: Uint8Array | undefined): void => {
    if (stream.destroyed) return;
    if (chunk === undefined) beforeEnd?.();
    else onChunk?.(chunk);
    stream.push(chunk ?? null);
  };
  const ask = async (): Promise<void> => {
    asking = true;
    watch();
    try {
      let chunk = await feed.next();
      while (chunk?.length === 0) chunk = await feed.next();
      asking = false;
      give(chunk);
    } catch (error) {
      asking = false;
      stream.destroy(error as DeliveryError);
    }
  };
  const abort = () => stream.destroy(cancelled(signal?.reason));

  const stream = new Readable({
    highWaterMark: chunkBytes,
    read() {
      void ask();
    },
    destroy(error, done) {
      clearTimeout(clock);
      signal?.removeEventListener("abort", abort);
      feed.close();
      done(error);
    },
  });
  // An error may come before its reader listens; whoever reads later is told all the same.
  stream.on("error", () => {});
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  return stream;
}

export interface ReadingOptions extends ReadOptions {
  what: string;
  stallTimeoutMs?: number | undefined;
  /** What was announced, in bytes and lower-case hex. */
  size?: number | undefined;
  sha256?: string | undefined;
  /** Makes the error for content that is not what was announced. */
  mismatch?: (difference: string) => DeliveryError;
}

/** One pass that counts, hashes, and ends only with what was announced. */
export function createReading(feed: Feed, options: ReadingOptions): SourceReading {
  const { start = 0, onBytes, mismatch = (difference) => changed(options.what, difference) } = options;
  const size = start === 0 ? options.size : undefined;
  const announced = start === 0 ? options.sha256 : undefined;
  const hash = createHash("sha256");
  let bytes = 0;
  let digest: string | undefined;

  const stream = streamOf(feed, {
    signal: options.signal,
    what: options.what,
    stallTimeoutMs: options.stallTimeoutMs,
    onChunk(chunk) {
      bytes += chunk.length;
      if (size !== undefined && bytes > size) throw mismatch(`more than the ${size} bytes announced`);
      hash.update(chunk);
      onBytes?.(chunk.length);
    },
    beforeEnd() {
      if (size !== undefined && bytes < size) {
        throw mismatch(`only ${bytes} of the ${size} bytes announced`);
      }
      digest = hash.digest("hex");
      if (announced !== undefined && digest !== announced) {
        throw mismatch("other bytes than announced: their SHA-256 differs");
      }
    },
  });
  return {
    stream,
    get bytes() {
      return bytes;
    },
    sha256: () => digest ?? hash.copy().digest("hex"),
    ...(feed.recycle && { recycle: feed.recycle }),
  };
}

function changed(what: string, difference: string): DeliveryError {
  return new DeliveryError("changed", `${capitalised(what)} changed: it gave ${difference}.`);
}

function stalled(what: string, stallTimeoutMs: number): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `${capitalised(what)} gave nothing for ${Math.round(stallTimeoutMs / 100) / 10} seconds.`,
    { code: "ETIMEDOUT" },
  );
}
