import { DeliveryError } from "../errors";
import type { AttemptContext, DataSource, WriteRequest } from "../types";
import type { DigestAlgorithm, Fingerprint } from "./digests";
import {
  deliveredEarlier,
  digestOf,
  type Earlier,
  fileExists,
  mostNumbers,
  tooManyNumbers,
} from "./publication";
import { type ConflictPolicy, numberedName, splitTargetName } from "./target-name";

/** What to do about a file that is at the target: an earlier attempt's, an identical one, or any other. */

/**
 * A file's size in bytes; or what else is, or is not, under a name; or that nobody tells, as the error for
 * those who have to know.
 */
export type TargetState = number | "absent" | "folder" | "other" | DeliveryError;

/** One attempt, as far as it concerns what is at its target. */
export interface Claim {
  readonly request: WriteRequest;
  readonly source: DataSource;
  readonly context: AttemptContext;
  /** Whether the target may hold the work of an attempt before this one. */
  readonly earlier: Earlier;
  /** The final name; `keep-both` may choose another. */
  leaf: string;
  readonly notes: string[];
}

export interface Compared {
  same: boolean;
  /** `size`: the content could not be compared, so its size has to do. */
  by: "checksum" | "read-back" | "size";
}

/** How a writer looks at its target, under the name that the claim has at the time. */
export interface TargetView {
  readonly conflict: ConflictPolicy;
  /** The digests that `compare` needs, and those that are of use later. */
  readonly digests: readonly DigestAlgorithm[];
  location(): string;
  state(): Promise<TargetState>;
  /** Whether what an attempt has written may be under the final name: it is not under the temporary one. */
  mayBePublished(): Promise<boolean>;
  /** Compares the file there, which has the size of the given content, with that. */
  compare(ours: Fingerprint, purpose: "skip" | "repeat"): Promise<Compared>;
}

/** Content that is at the target already. */
export interface Found extends Fingerprint {
  outcome: "delivered" | "skipped";
  verified: Compared["by"];
}

/**
 * Applies the policy for a file that is at the target already: it may change the claim's name.
 * @returns what makes writing needless
 * @throws DeliveryError `rejected` under `fail`; `invalid` when nobody can tell what the policy needs
 */
export async function resolveConflict(claim: Claim, target: TargetView): Promise<Found | undefined> {
  const { earlier } = claim;
  // Costs no round trip in the usual case: the rename replaces what is there.
  if (target.conflict === "replace" && earlier.published === "no") return undefined;
  const wanted = claim.leaf;
  claim.leaf = earlier.leaf ?? wanted;
  const state = await target.state();
  const found = await findEarlier(claim, target, state);
  if (found) return found;
  if (claim.leaf === wanted) return applyPolicy(claim, target, state);
  claim.leaf = wanted;
  return applyPolicy(claim, target, await target.state());
}

/** Looks again right before publishing: a transfer takes time, and renames replace what is there. */
export async function keepClear(claim: Claim, target: TargetView): Promise<void> {
  if (target.conflict !== "fail" && target.conflict !== "keep-both") return;
  const state = await target.state();
  if (state === "absent") return;
  if (state instanceof DeliveryError) throw state;
  if (target.conflict === "fail") throw fileExists(target.location());
  await chooseNumber(claim, target);
}

async function applyPolicy(claim: Claim, target: TargetView, state: TargetState): Promise<Found | undefined> {
  const { conflict } = target;
  if (state === "absent" || conflict === "replace") return undefined;
  if (conflict === "skip-identical") {
    if (!(state instanceof DeliveryError)) return findIdentical(claim, target, state);
    claim.notes.push("The server tells no sizes, so the file was written without a comparison.");
    return undefined;
  }
  if (state instanceof DeliveryError) throw state;
  if (conflict === "fail") throw fileExists(target.location());
  return chooseNumber(claim, target, findEarlier);
}

/** @returns the numbered file that is an earlier attempt's work, if one is */
async function chooseNumber(
  claim: Claim,
  target: TargetView,
  find: typeof findEarlier = async () => undefined,
): Promise<Found | undefined> {
  const wanted = wantedLeaf(claim);
  for (let n = 1; n <= mostNumbers; n++) {
    claim.leaf = numberedName(wanted, n);
    const state = await target.state();
    if (state instanceof DeliveryError) throw state;
    const found = await find(claim, target, state);
    if (state === "absent" || found) return found;
  }
  throw tooManyNumbers(target.location());
}

/** The file name that was asked for. */
export function wantedLeaf({ request }: Pick<Claim, "request">): string {
  return splitTargetName(request.target).at(-1) ?? "";
}

/** What a receipt has to tell. */
export function notesOf(claim: Pick<Claim, "request" | "leaf" | "notes">): string[] {
  const { leaf, notes } = claim;
  const wanted = wantedLeaf(claim);
  if (leaf === wanted) return notes;
  return [...notes, `${wanted} was there already; the content is kept beside it as ${leaf}.`];
}

/**
 * The file at the target, found in the given state, if it is an earlier attempt's work: the temporary name is
 * free, and size and content are ours.
 */
async function findEarlier(claim: Claim, target: TargetView, state: TargetState): Promise<Found | undefined> {
  const { earlier, source, context } = claim;
  if (earlier.published === "no" || typeof state !== "number") return undefined;
  if (source.size !== undefined && source.size !== state) return undefined;
  if (!(await target.mayBePublished())) return undefined;
  const ours = await digestOf(source, context.signal, target.digests);
  if (ours.bytes !== state) return undefined;
  const { same, by } = await target.compare(ours, "repeat");
  // The size alone says enough only of a file that was about to get this name.
  if (!same || (by === "size" && earlier.published !== "asked")) return undefined;
  claim.notes.push(deliveredEarlier);
  return { ...ours, outcome: "delivered", verified: by };
}

async function findIdentical(
  { source, context, notes }: Claim,
  target: TargetView,
  state: TargetState,
): Promise<Found | undefined> {
  if (typeof state !== "number" || (source.size !== undefined && source.size !== state)) return undefined;
  const ours = await digestOf(source, context.signal, target.digests);
  if (ours.bytes !== state) return undefined;
  const { same, by } = await target.compare(ours, "skip");
  if (!same) return undefined;
  if (by === "size") notes.push("The file there was compared by its size only: the server offers no hash.");
  return { ...ours, outcome: "skipped", verified: by };
}
