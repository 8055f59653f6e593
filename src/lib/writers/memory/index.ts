import { createHash } from "node:crypto";
import { addAbortSignal } from "node:stream";
import { classifyCommonError, DeliveryError } from "../../errors";
import type { DataSource, Receipt, Writer } from "../../types";
import { type ConflictPolicy, numberedName, splitTargetName } from "../target-name";

export interface MemoryWriterOptions {
  /** How to treat a file that is already there. Default: `replace`. */
  conflict?: ConflictPolicy;
  /** Where the files go: name without a leading slash → content. Default: a new map. */
  files?: Map<string, Uint8Array>;
}

export interface MemoryWriter extends Writer {
  readonly files: Map<string, Uint8Array>;
}

/**
 * Keeps what it delivers in a map: for tests and for those who try the library out. It keeps the whole
 * contract of `Writer`; each file is held in memory.
 */
export function createMemoryWriter(options: MemoryWriterOptions = {}): MemoryWriter {
  const { conflict = "replace", files = new Map<string, Uint8Array>() } = options;
  const locate = (target: string) => `memory:/${splitTargetName(target).join("/")}`;
  return {
    type: "memory",
    files,
    locate,
    async write(source, { target }, { signal, onProgress }) {
      const name = splitTargetName(target).join("/");
      // Before reading: content that is not wanted need not be produced.
      if (conflict === "fail" && files.has(name)) throw alreadyThere(name);
      const bytes = await readAll(source, signal, onProgress);
      return publish(files, name, bytes, conflict);
    },
    async close() {},
  };
}

async function readAll(source: DataSource, signal: AbortSignal, onProgress: (bytes: number) => void) {
  const chunks: Uint8Array[] = [];
  try {
    signal.throwIfAborted();
    const reading = await source.read({ signal });
    for await (const chunk of addAbortSignal(signal, reading.stream)) {
      signal.throwIfAborted();
      chunks.push(chunk);
      onProgress(chunk.length);
    }
    signal.throwIfAborted();
  } catch (error) {
    if (signal.aborted)
      throw new DeliveryError("cancelled", "The delivery was interrupted.", { cause: error });
    throw classifyCommonError(error, "the source") ?? unreadable(error);
  }
  return Buffer.concat(chunks);
}

/** From here on nothing waits, so nobody sees a step half done. */
function publish(
  files: Map<string, Uint8Array>,
  name: string,
  bytes: Buffer,
  conflict: ConflictPolicy,
): Receipt {
  const existing = files.get(name);
  if (existing && conflict === "fail") throw alreadyThere(name);
  const identical = existing !== undefined && bytes.equals(existing);
  const skipped = identical && conflict === "skip-identical";
  const stored = existing && conflict === "keep-both" ? freeName(files, name) : name;
  if (!skipped) files.set(stored, bytes);
  return {
    location: `memory:/${stored}`,
    outcome: skipped ? "skipped" : "delivered",
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    verified: "read-back",
    notes: stored === name ? [] : [`${name} was there already; the content is kept beside it as ${stored}.`],
  };
}

function freeName(files: Map<string, Uint8Array>, name: string): string {
  const folder = name.slice(0, name.lastIndexOf("/") + 1);
  const leaf = name.slice(folder.length);
  for (let n = 1; ; n++) {
    const candidate = folder + numberedName(leaf, n);
    if (!files.has(candidate)) return candidate;
  }
}

function alreadyThere(name: string): DeliveryError {
  return new DeliveryError(
    "rejected",
    `${name} exists already. Choose another name, or another policy for existing files.`,
    { code: "EEXIST" },
  );
}

function unreadable(error: unknown): DeliveryError {
  const reason = error instanceof Error ? error.message : String(error);
  return new DeliveryError("unavailable", `The source could not be read: ${reason}`, { cause: error });
}
