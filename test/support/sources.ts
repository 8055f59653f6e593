import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { DeliveryError } from "../../src/lib/errors";
import type { DataSource, ReadOptions, SourceReading } from "../../src/lib/types";

/** What a source does besides giving its bytes. */
export interface SourceBehaviour {
  name?: string;
  /** Announces no size and no digest. */
  unknownLength?: boolean;
  /** Announces this many bytes, whatever it gives. */
  announcedBytes?: number;
  chunkBytes?: number;
  /** Waits between two chunks. */
  pauseMs?: number;
  /** After this many bytes it fails with `error`. */
  failAfterBytes?: number;
  /** After this many bytes nothing comes any more, until somebody stops reading. */
  stallAfterBytes?: number;
  error?: DeliveryError;
}

export interface TestSource extends DataSource {
  /** How many passes were started. */
  readonly reads: number;
}

/** A source over `bytes` that keeps the contract of `DataSource`, and misbehaves only as asked. */
export function testSource(bytes: Uint8Array, behaviour: SourceBehaviour = {}): TestSource {
  const announced = behaviour.unknownLength ? undefined : (behaviour.announcedBytes ?? bytes.length);
  const honest = announced === bytes.length;
  let reads = 0;
  return {
    name: behaviour.name ?? "test.txt",
    contentType: "text/plain",
    size: announced,
    sha256: honest ? sha256Of(bytes) : undefined,
    get reads() {
      return reads;
    },
    async read(options = {}) {
      reads++;
      return startReading(bytes, behaviour, announced, options);
    },
  };
}

/** A source that cannot even be opened. */
export function unreadableSource(): DataSource {
  return {
    name: "gone.txt",
    contentType: undefined,
    size: 10,
    sha256: undefined,
    read: () => Promise.reject(new DeliveryError("missing", "The source file gone.txt does not exist.")),
  };
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function startReading(
  bytes: Uint8Array,
  behaviour: SourceBehaviour,
  announced: number | undefined,
  { start = 0, signal, onBytes }: ReadOptions,
): SourceReading {
  const { chunkBytes = 64 * 1024, pauseMs = 0, failAfterBytes, stallAfterBytes = Infinity } = behaviour;
  const end = Math.min(bytes.length, failAfterBytes ?? Infinity, stallAfterBytes);
  const hash = createHash("sha256");
  let offset = start;

  const finish = (): void => {
    if (failAfterBytes !== undefined) stream.destroy(behaviour.error ?? brokenSource());
    else if (stallAfterBytes <= bytes.length) return;
    else if (announced !== undefined && start === 0 && offset !== announced) {
      stream.destroy(changedSource(offset, announced));
    } else stream.push(null);
  };
  const give = (): void => {
    const chunk = bytes.subarray(offset, Math.min(offset + chunkBytes, end));
    if (stream.destroyed) return;
    if (chunk.length === 0) {
      finish();
      return;
    }
    offset += chunk.length;
    hash.update(chunk);
    onBytes?.(chunk.length);
    stream.push(chunk);
  };
  const stream = new Readable({
    read() {
      if (pauseMs > 0) setTimeout(give, pauseMs);
      else give();
    },
  });
  const abort = () => stream.destroy(new DeliveryError("cancelled", "The reading was interrupted."));
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  stream.once("close", () => signal?.removeEventListener("abort", abort));
  return {
    stream,
    get bytes() {
      return offset - start;
    },
    sha256: () => hash.copy().digest("hex"),
  };
}

function brokenSource(): DeliveryError {
  return new DeliveryError("unavailable", "The source broke off: the disk could not be read (EIO).");
}

function changedSource(bytes: number, announced: number): DeliveryError {
  return new DeliveryError("changed", `The source gave ${bytes} bytes, but ${announced} were announced.`);
}
