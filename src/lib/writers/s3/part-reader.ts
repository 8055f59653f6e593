import type { Readable } from "node:stream";
import type { SourceReading } from "../../types";

/** Cuts a stream into pieces of any size. */
export interface PartReader {
  /** Copies bytes until the buffer is full or the stream ends; resolves with their number. */
  fill(buffer: Buffer): Promise<number>;
  /** Like `fill`, into a buffer that grows up to `maxBytes` with what comes. */
  read(maxBytes: number): Promise<Buffer>;
  /** Whether the stream ended, properly, after what was read. */
  ended(): Promise<boolean>;
}

const firstGuessBytes = 64 * 1024;

/** All methods reject with the stream's own error. */
export function createPartReader(stream: Readable, recycle?: SourceReading["recycle"]): PartReader {
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  let rest: Uint8Array | undefined;

  /** The next bytes, without taking them; undefined after the end. */
  async function peek(): Promise<Uint8Array | undefined> {
    while (rest === undefined || rest.length === 0) {
      if (rest) recycle?.(rest);
      rest = undefined;
      const next = await chunks.next();
      if (next.done) return undefined;
      rest = next.value;
    }
    return rest;
  }

  async function fill(buffer: Buffer): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      const bytes = await peek();
      if (bytes === undefined) break;
      const count = Math.min(bytes.length, buffer.length - filled);
      buffer.set(bytes.subarray(0, count), filled);
      rest = bytes.subarray(count);
      filled += count;
    }
    return filled;
  }

  return {
    fill,
    async read(maxBytes) {
      let buffer = Buffer.allocUnsafeSlow(Math.min(firstGuessBytes, maxBytes));
      let filled = await fill(buffer);
      while (filled === buffer.length && filled < maxBytes && (await peek()) !== undefined) {
        const grown = Buffer.allocUnsafeSlow(Math.min(buffer.length * 2, maxBytes));
        buffer.copy(grown);
        buffer = grown;
        filled += await fill(buffer.subarray(filled));
      }
      return buffer.subarray(0, filled);
    },
    ended: async () => (await peek()) === undefined,
  };
}
