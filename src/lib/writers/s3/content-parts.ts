import { DeliveryError } from "../../errors";
import type { DataSource } from "../../types";
import { createByteBudget } from "./byte-budget";
import { createPartReader } from "./part-reader";
import { partSizeFor } from "./part-size";
import { createSpareBuffers } from "./spare-buffers";

/** All uploads of this process together hold no more content than this, however many there are. */
const budget = createByteBudget(32 * 1024 * 1024);
/** Those who wait for their turn must not each keep some of it. */
const spare = createSpareBuffers(budget);

/** A piece of content in memory. */
export interface Part {
  /** Counted from 1. */
  n: number;
  body: Buffer;
  /** Gives the memory back. `reusable`: nobody else holds it any more. */
  release(reusable: boolean): void;
}

/** One pass over a source, cut into parts. */
export interface ContentParts {
  /** Waits for room in memory and for the content. The first part may be empty, others hold something. */
  next(): Promise<Part>;
  /** Whether the content ended, properly, after the last part. */
  ended(): Promise<boolean>;
  /**
   * The digest of all that was read.
   * @throws DeliveryError `changed` when it was not what was announced
   */
  finish(): { bytes: number; sha256: string };
  close(): void;
}

/**
 * @param signal ends everything at once
 * @throws whatever the source throws; so do all methods
 */
export async function openContent(
  source: DataSource,
  partSizeBytes: number,
  signal: AbortSignal,
): Promise<ContentParts> {
  const capacityOf = (n: number) => {
    const partSize = partSizeFor(n, partSizeBytes, source.size);
    return n === 1 ? Math.min(partSize, source.size ?? partSize) : partSize;
  };
  // Room first: a source that nobody reads for long may take that for a stall.
  let room: (() => void) | undefined = await budget.take(capacityOf(1), signal);
  const reading = await source.read({ signal }).catch((error: unknown) => {
    room?.();
    throw error;
  });
  const { stream } = reading;
  const onAbort = () => stream.destroy();
  // Whoever reads sees the error; without a listener a late one would end the process.
  stream.on("error", () => {});
  signal.addEventListener("abort", onAbort, { once: true });
  const reader = createPartReader(stream, reading.recycle);
  const done = spare.open();
  let n = 0;
  let bytes = 0;

  async function read(capacity: number): Promise<Buffer> {
    if (source.size === undefined && n === 1) return reader.read(capacity);
    const buffer = spare.take(capacity);
    return buffer.subarray(0, await reader.fill(buffer));
  }

  return {
    async next() {
      n += 1;
      const capacity = capacityOf(n);
      const giveBack = room ?? (await budget.take(capacity, signal));
      room = undefined;
      try {
        const body = await read(capacity);
        bytes += body.length;
        return {
          n,
          body,
          release(reusable) {
            if (reusable) spare.give(Buffer.from(body.buffer));
            giveBack();
          },
        };
      } catch (error) {
        giveBack();
        throw error;
      }
    },
    ended: () => reader.ended(),
    finish() {
      if (bytes === reading.bytes && bytes === (source.size ?? bytes))
        return { bytes, sha256: reading.sha256() };
      throw new DeliveryError(
        "changed",
        `${source.name} gave ${bytes} bytes, but ${source.size ?? reading.bytes} were expected. It changed while it was being read.`,
      );
    },
    close() {
      signal.removeEventListener("abort", onAbort);
      stream.destroy();
      room?.();
      done();
    },
  };
}
