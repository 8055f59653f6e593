import { Readable } from "node:stream";
import { types } from "node:util";
import { DeliveryError } from "../errors";
import { chunkBytes, type Feed } from "./reading";
import { alreadyRead } from "./source-errors";

const accepted = "Return text, a Buffer, a readable stream, or an iterable of texts and Buffers";

/** How a failure of the content's own code is told. */
export type Classify = (error: unknown) => DeliveryError;

/**
 * Whatever a function may return as content, as chunks asked for one by one.
 * @throws DeliveryError `invalid` for what is no content; so does `next` for a wrong chunk
 */
export function contentFeed(content: unknown, what: string, classify: Classify): Feed {
  if (typeof content === "string" || types.isUint8Array(content)) return onceFeed(toBytes(content, what));
  if (content instanceof Readable && (content.readableEnded || content.destroyed)) throw alreadyRead();
  const chunks = iteratorOf(content, what);
  // Whoever closes early has no use for a late error, which would end the process.
  if (content instanceof Readable) content.on("error", () => {});
  return {
    async next() {
      const result = await step(chunks, classify);
      return result.done ? undefined : toBytes(result.value, what);
    },
    close() {
      if (content instanceof Readable) content.destroy();
      // A generator that is busy answers only when it is done, and perhaps never.
      else void finish(chunks);
    },
  };
}

/** Bytes that are at hand, in pieces that a target can take one at a time. */
export function onceFeed(bytes: Uint8Array, pieceBytes = chunkBytes): Feed {
  let position = 0;
  return {
    async next() {
      if (position >= bytes.length) return undefined;
      const piece = bytes.subarray(position, position + pieceBytes);
      position += piece.length;
      return piece;
    },
    close() {},
  };
}

type Chunks = Iterator<unknown> | AsyncIterator<unknown>;

function iteratorOf(content: unknown, what: string): Chunks {
  if (typeof content === "object" && content !== null) {
    const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = content as Partial<
      AsyncIterable<unknown> & Iterable<unknown>
    >;
    if (typeof later === "function") return later.call(content);
    if (typeof now === "function") return now.call(content);
  }
  throw new DeliveryError("invalid", `${what} returned ${nameOf(content)}. ${accepted}.`);
}

async function step(chunks: Chunks, classify: Classify): Promise<IteratorResult<unknown>> {
  try {
    const result = await chunks.next();
    // An iterator that is not async may still give promises.
    return result.done ? result : { done: false, value: await result.value };
  } catch (error) {
    throw classify(error);
  }
}

async function finish(chunks: Chunks): Promise<void> {
  try {
    await chunks.return?.();
  } catch {
    // Its content is not wanted any more, nor are its complaints.
  }
}

function toBytes(chunk: unknown, what: string): Uint8Array {
  if (typeof chunk === "string") return Buffer.from(chunk);
  if (types.isUint8Array(chunk)) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
  throw new DeliveryError("invalid", `${what} gave ${nameOf(chunk)} as a piece of content. ${accepted}.`);
}

function nameOf(value: unknown): string {
  if (value === undefined) return "nothing (undefined)";
  if (value === null) return "nothing (null)";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object that is no content (JSON.stringify makes text of it)";
  return `a ${typeof value}`;
}
