import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { classifyCommonError, DeliveryError, takenOverCode } from "../errors";
import { capitalised } from "../quotation";
import type { DataSource, SourceReading, WriteRequest } from "../types";
import { type DigestAlgorithm, type Fingerprint, runningDigests } from "./digests";

/** What writers share that place files: temporary names, digests, outcomes, and what they say. */

/**
 * The same for every attempt of a delivery, so that a new attempt overwrites what an old one left behind;
 * short, however long the final name is; hidden from those who list the folder for new files.
 */
export function hiddenName({ deliveryId, target }: WriteRequest, extension: string): string {
  const digest = createHash("sha256").update(`${deliveryId}\0${target}`).digest("hex");
  return `.${digest.slice(0, 32)}.${extension}`;
}

/** What may have become of attempts before this one, as far as anybody here knows. */
export interface Earlier {
  /** Whether there were any. */
  repeated: boolean;
  /**
   * - `no`: no attempt got that far
   * - `perhaps`: nobody here knows what became of an attempt, as after a crash
   * - `asked`: the other side was asked to publish it, and its answer was lost
   */
  published: "no" | "perhaps" | "asked";
  /** The name that was asked for. */
  leaf?: string;
}

export interface Outcomes {
  of(request: WriteRequest): Earlier;
  /** What is known after an attempt that failed. */
  remember(request: WriteRequest, published: Earlier["published"], leaf: string | undefined): void;
  forget(request: WriteRequest): void;
}

/** How far an attempt came, by its own account. */
interface Failed {
  readonly earlier: Earlier;
  readonly leaf: string;
  /** Whether it went straight to the final name. */
  readonly direct: boolean;
  readonly upload: { readonly stage: string };
  /** Whether the other side was asked to rename, so that it may have done so. */
  readonly renaming: boolean;
  readonly published: boolean;
}

/**
 * - `kept`: enough of the upload is there for the next attempt to go on with it
 * - `unknown`: something may be there
 */
export type CleanUp = "removed" | "nothing there" | "kept" | "unknown";

/** What the attempt after a failed one has to reckon with. */
export function publishedBy(
  { earlier, leaf, direct, upload, renaming, published }: Failed,
  cleanUp: CleanUp,
): [published: Earlier["published"], leaf: string | undefined] {
  if (published) return ["asked", leaf];
  // Only a rename takes the temporary name away without us.
  if (renaming && cleanUp !== "removed" && cleanUp !== "kept") return ["asked", leaf];
  // It sent nothing, as when it did not even reach the server: it knows no more than those before it.
  if (upload.stage === "nothing") return [earlier.published, earlier.leaf];
  return [direct && cleanUp === "unknown" ? "perhaps" : "no", undefined];
}

/** The files that an attempt has left are then another process's, which gives them the same names. */
export function isTakenOver({ reason }: AbortSignal): boolean {
  return reason instanceof DeliveryError && reason.code === takenOverCode;
}

const mostOutcomes = 1000;

/** What a writer remembers of its attempts, so that its own file never counts as somebody else's. */
export function rememberOutcomes(): Outcomes {
  const outcomes = new Map<string, Earlier & { begun: number }>();
  return {
    of({ deliveryId, begun = 1 }) {
      const last = outcomes.get(deliveryId);
      // Otherwise another process has begun an attempt since, of which nothing is known here.
      if (last && begun <= last.begun + 1) return last;
      const repeated = begun > 1;
      return { repeated, published: repeated ? "perhaps" : "no" };
    },
    remember({ deliveryId, begun = 1 }, published, leaf) {
      outcomes.delete(deliveryId);
      outcomes.set(deliveryId, { repeated: true, published, begun, ...(leaf !== undefined && { leaf }) });
      const [oldest] = outcomes.keys();
      if (outcomes.size > mostOutcomes && oldest !== undefined) outcomes.delete(oldest);
    },
    forget({ deliveryId }) {
      outcomes.delete(deliveryId);
    },
  };
}

export const deliveredEarlier =
  "An earlier attempt had delivered it; only the news of that was lost. It was compared, not sent again.";

/** @throws DeliveryError the source's own */
export async function openReading(source: DataSource, signal: AbortSignal): Promise<SourceReading> {
  try {
    return await source.read({ signal });
  } catch (error) {
    throw unreadable(error);
  }
}

/** What went wrong with a source as a `DeliveryError`. */
export function unreadable(error: unknown): DeliveryError {
  const known = classifyCommonError(error, "the source");
  if (known) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return new DeliveryError("unavailable", `The source could not be read: ${reason}`, { cause: error });
}

/**
 * Size, SHA-256 and the given digests of a source, read through only when they are not known.
 * @throws DeliveryError the source's own
 */
export async function digestOf(
  source: DataSource,
  signal: AbortSignal,
  algorithms: readonly DigestAlgorithm[] = [],
): Promise<Fingerprint> {
  const { size, sha256 } = source;
  if (size !== undefined && sha256 !== undefined && algorithms.every((each) => each === "sha256")) {
    return { bytes: size, sha256, digests: { sha256 } };
  }
  const reading = await openReading(source, signal);
  const running = runningDigests(algorithms);
  try {
    for await (const chunk of reading.stream) {
      running.update(chunk);
      reading.recycle?.(chunk);
    }
  } catch (error) {
    throw unreadable(error);
  }
  const known = reading.sha256();
  return { bytes: reading.bytes, sha256: known, digests: { ...running.digests(), sha256: known } };
}

export function fileExists(location: string): DeliveryError {
  return new DeliveryError(
    "rejected",
    `${location} exists already. Choose another name, or another policy for existing files.`,
    { code: "EEXIST" },
  );
}

/** How many numbered names `keep-both` tries. */
export const mostNumbers = 1000;

export function tooManyNumbers(location: string): DeliveryError {
  return new DeliveryError(
    "rejected",
    `${mostNumbers} files are numbered like ${location}. Tidy the folder up, or choose another name.`,
    { code: "EEXIST" },
  );
}

/** @param where the other side, as sentences name it */
export function damagedUpload(where: string, what: string, name: string, code: string): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `${capitalised(where)} ${what} of ${name}: the upload was damaged on its way.`,
    { code, maxAttempts: 3 },
  );
}

/**
 * Whatever a writer has thrown as a `DeliveryError`: what no table knows is a bug.
 * @param where the other side, as sentences name it
 * @param writer for sentences: `FTP`
 */
export function asWriterError(error: unknown, where: string, writer: string): DeliveryError {
  const known = classifyCommonError(error, where);
  if (known) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return new DeliveryError("internal", `The ${writer} writer failed unexpectedly: ${reason}`, {
    cause: error,
  });
}

/** Before a server is looked at again that may not have noticed yet that a connection is lost. */
export const lookAgainMs = 300;

/**
 * What is there once it no longer grows: the server may still be taking in the last bytes of a lost connection.
 * @param look tells the size of the file, or in a word why there is none
 * @param bytes that it has at most
 */
export async function restingState<State extends number | string>(
  look: () => Promise<State>,
  bytes: number,
): Promise<State> {
  let before: State | undefined;
  let state = await look();
  while (state !== before && typeof state === "number" && state < bytes) {
    before = state;
    await sleep(lookAgainMs);
    state = await look();
  }
  return state;
}
