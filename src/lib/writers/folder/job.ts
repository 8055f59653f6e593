import { join } from "node:path";
import { type DeliveryError, interrupted } from "../../errors";
import type { AttemptContext, DataSource, Receipt, Verified, WriteRequest } from "../../types";
import { type Companions, readCompanions } from "../companions";
import { notesOf } from "../conflict";
import type { Digests } from "../digests";
import { type Earlier, hiddenName } from "../publication";
import { classifyFolderError, type FolderErrorPlace, type FolderStep, noAnswer } from "./errors";
import { fileNames } from "./names";
import type { FolderWriterOptions } from "./options";

/** One attempt: what is asked for, and how far it came. */
export interface Job {
  readonly options: FolderWriterOptions;
  readonly source: DataSource;
  readonly request: WriteRequest;
  /** Whether the target may hold the work of an attempt before this one. */
  readonly earlier: Earlier;
  readonly context: AttemptContext;
  readonly folders: readonly string[];
  /** The final name; `keep-both` may choose another. */
  leaf: string;
  readonly temporaryLeaf: string;
  /** The target's folder without symbolic links, once it is known. */
  folder: string;
  /** Whether the temporary file may be there. */
  temporary: boolean;
  /** Tells our file from any other, whatever it is called. */
  inode: bigint | undefined;
  bytes: number;
  sha256: string;
  digests: Digests;
  /** Whether the last step was begun, so that it may be done. */
  publishing: boolean;
  /** Whether the content is at its place: then only its companions can still fail. */
  published: boolean;
  readonly companions: Companions;
  verified: Verified;
  readonly notes: string[];
}

/** @throws DeliveryError `invalid` for a refused name */
export function createJob(
  options: FolderWriterOptions,
  source: DataSource,
  request: WriteRequest,
  earlier: Earlier,
  context: AttemptContext,
): Job {
  const segments = fileNames(request.target);
  const companions = readCompanions(request, options.checksumFile);
  if (companions.doneFile !== "") fileNames(companions.doneFile);
  return {
    options,
    source,
    request,
    earlier,
    context,
    folders: segments.slice(0, -1),
    leaf: segments.at(-1) ?? "",
    temporaryLeaf: hiddenName(request, "part"),
    folder: "",
    temporary: false,
    inode: undefined,
    bytes: 0,
    sha256: "",
    digests: {},
    publishing: false,
    published: false,
    companions,
    verified: "none",
    notes: [],
  };
}

export function pathsOf({ folder, leaf, temporaryLeaf }: Job) {
  return { final: join(folder, leaf), temporary: join(folder, temporaryLeaf) };
}

/** `file:///srv/outgoing/reports/a.txt`, as it would be read aloud: nothing is escaped. */
export function locationBelow(root: string, segments: readonly string[]): string {
  const path = [root.replaceAll("\\", "/").replace(/\/$/, ""), ...segments].join("/");
  return `file://${path.startsWith("/") ? "" : "/"}${path}`;
}

export function locationOf({ options, folders, leaf }: Job): string {
  return locationBelow(options.root, [...folders, leaf]);
}

export function receiptOf(job: Job, outcome: Receipt["outcome"] = "delivered"): Receipt {
  const { bytes, sha256, verified } = job;
  return { location: locationOf(job), outcome, bytes, sha256, verified, notes: notesOf(job) };
}

/** How long an operation under way may go on after an abort: as a rule it ends at once. */
const abortGraceMs = 1_000;

/**
 * Runs one operation of the file system, and waits for it no longer than allowed: nothing can call it off,
 * and on a share that has gone away it may never end.
 * @throws DeliveryError
 */
export async function within<T>(
  { options, context: { signal } }: Pick<Job, "options" | "context">,
  step: FolderStep,
  path: string,
  operation: () => Promise<T>,
): Promise<T> {
  const place: FolderErrorPlace = { step, path };
  let abandon: (error: DeliveryError) => void = () => {};
  const abandoned = new Promise<never>((_resolve, reject) => {
    abandon = reject;
  });
  const timer = setTimeout(() => abandon(noAnswer(place)), options.idleTimeoutMs);
  let graceTimer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    graceTimer = setTimeout(() => abandon(interrupted()), abortGraceMs);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([operation(), abandoned]);
  } catch (error) {
    throw classifyFolderError(error, place);
  } finally {
    clearTimeout(timer);
    clearTimeout(graceTimer);
    signal.removeEventListener("abort", onAbort);
  }
}
