import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, rename, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { codeOf, DeliveryError } from "../errors";
import { chunkBytes, type Feed, readAhead, reusedBuffers, streamOf } from "./reading";
import { classifySpoolError } from "./source-errors";
import { isDigest, isYoung, type Needed, pruneFolder, type SpoolLimits } from "./spool-prune";
import { type Written, writeStream } from "./spool-write";

/**
 * Keeps content in a folder, each under its own SHA-256, so that every attempt and every target gets the
 * same bytes.
 */
export interface Spool {
  /**
   * Takes the stream to its end; resolves when its content is safely on the disk. On an error nothing is
   * left behind, and the stream is destroyed. Content that is there already is kept once.
   * @throws DeliveryError the stream's own; `rejected` above `maxBytes`; `local` when the disk fails;
   *   `cancelled`
   */
  put(stream: Readable, options?: PutOptions): Promise<Written>;
  /** Reads from byte `start` on. Errors with `local` when the content is not there. */
  feed(sha256: string, options?: { start?: number }): Feed;
  /** All of it, as a stream. */
  open(sha256: string): Readable;
  /**
   * Whether the content is there and, where its size is given, whole. Whoever asks is about to need it: for
   * the spool's limits that counts like a put.
   */
  has(sha256: string, size?: number): Promise<boolean>;
  /**
   * As `has`, for whoever is going to read it now: content that lies elsewhere is brought to this machine
   * first, however long that takes.
   * @throws DeliveryError `cancelled` with the signal
   */
  ready(sha256: string, size?: number, signal?: AbortSignal): Promise<boolean>;
  /**
   * Removes content that nobody has put or needed for longer than the spool's limit and, what was needed
   * longest ago first, what makes the spool larger than its limit; but nothing that still is needed, and for
   * the sake of its size nothing of the last hour, which may belong to a delivery that is just being
   * accepted. Also what a killed process left unfinished more than a day ago. Returns how many files.
   * @param needed is asked only when something is old enough to go
   */
  prune(needed: Needed): Promise<number>;
}

export interface PutOptions {
  signal?: AbortSignal;
  maxBytes?: number;
}

export interface SpoolOptions extends SpoolLimits {
  /** Made on first use, for its owner only. */
  folder: string;
}

export function createSpool({ folder, ...limits }: SpoolOptions): Spool {
  const pathOf = (sha256: string) => path.join(folder, checkDigest(sha256));
  const inTurn = createTurns();

  async function isThere(sha256: string, size?: number): Promise<"young" | "old" | false> {
    try {
      const stats = await stat(pathOf(sha256));
      if (!stats.isFile() || stats.size !== (size ?? stats.size)) return false;
      return isYoung(stats.mtimeMs, limits) ? "young" : "old";
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw classifySpoolError(error, "look for its content");
    }
  }

  async function has(sha256: string, size?: number): Promise<boolean> {
    const found = await isThere(sha256, size);
    if (found !== "old") return found === "young";
    return inTurn(async () => {
      const now = new Date();
      // Where that is not ours to change, it still is there or not.
      await utimes(pathOf(sha256), now, now).catch(() => {});
      return (await isThere(sha256, size)) !== false;
    });
  }

  /** Renames over what is there, which mends a damaged copy and makes an old one young again. */
  async function publish(temporary: string, { sha256, size }: Written): Promise<void> {
    try {
      await rename(temporary, pathOf(sha256));
    } catch (error) {
      // Windows does not replace a file that somebody reads.
      if (!(await isThere(sha256, size))) throw error;
      await rm(temporary, { force: true });
    }
    await syncFolder(folder);
  }

  return {
    has,
    ready: has,
    async put(stream, options = {}) {
      const temporary = path.join(folder, `${randomUUID()}.tmp`);
      try {
        await makeFolder(folder);
        const written = await writeStream(temporary, stream, options);
        await inTurn(() => publish(temporary, written));
        return written;
      } catch (error) {
        stream.on("error", () => {}).destroy();
        await rm(temporary, { force: true }).catch(() => {});
        throw classifySpoolError(error, "keep the content");
      }
    },
    feed: (sha256, { start = 0 } = {}) => readAhead(lazyFeed(pathOf(sha256), start)),
    open: (sha256) =>
      streamOf(readAhead(lazyFeed(pathOf(sha256), 0)), { what: `the spool's file ${sha256}` }),
    async prune(needed) {
      try {
        return await pruneFolder(folder, { ...limits, needed, inTurn });
      } catch (error) {
        throw classifySpoolError(error, "be cleaned up");
      }
    },
  };
}

/** Also keeps a digest from a message from naming any other file. */
function checkDigest(sha256: string): string {
  if (isDigest(sha256)) return sha256;
  throw new DeliveryError("invalid", "The source's sha256 must be 64 lower-case hexadecimal digits.");
}

export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

/** One after the other, so that no content is removed in the moment in which it is put again. */
export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };
}

async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Where that is not ours to change, the files' own mode still protects them.
  await chmod(folder, 0o700).catch(() => {});
}

/** Makes the new name outlive a power cut. Not every system can open a folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

function lazyFeed(file: string, start: number): Feed {
  const opening = open(file, "r");
  opening.catch(() => {});
  const { take, recycle } = reusedBuffers(chunkBytes);
  let position = start;
  const next = async (): Promise<Uint8Array | undefined> => {
    const handle = await opening;
    const { bytesRead, buffer } = await handle.read(take(), 0, chunkBytes, position);
    position += bytesRead;
    return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
  };
  return {
    next: () =>
      next().catch((error: unknown) => {
        throw codeOf(error) === "ENOENT"
          ? notThere(path.basename(file))
          : classifySpoolError(error, "be read");
      }),
    recycle,
    close() {
      opening.then((handle) => handle.close()).catch(() => {});
    },
  };
}

export function notThere(what: string): DeliveryError {
  return new DeliveryError(
    "local",
    `The spool no longer holds ${what} whole. If nothing brings its file back, send the content anew.`,
    { code: "ENOENT", maxAttempts: 3 },
  );
}
