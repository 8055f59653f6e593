import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import type { Receipt } from "../../types";
import { digestOf, fileExists, mostNumbers, tooManyNumbers } from "../publication";
import { numberedName } from "../target-name";
import { type Job, locationOf, pathsOf } from "./job";
import { fileState, readBack } from "./remote-files";
import type { SftpSession } from "./session";

/**
 * Applies the policy for a file that is at the target already: it may change the job's name.
 * @returns a receipt when there is nothing to do
 * @throws DeliveryError `rejected` under `fail`; `invalid` when the server cannot tell what the policy needs
 */
export async function resolveConflict(session: SftpSession, job: Job): Promise<Receipt | undefined> {
  const { conflict } = job.options;
  // Costs no round trip in the usual case: the rename replaces what is there.
  if (conflict === "replace") return undefined;
  const state = await fileState(session, pathsOf(session, job).final);
  if (state === "absent") return undefined;
  if (conflict === "skip-identical") return skipIdentical(session, job, state);
  await refuseOrRename(session, job, state);
  return undefined;
}

/** Looks again right before publishing: a transfer takes time, and some servers rename over a file. */
export async function keepClear(session: SftpSession, job: Job): Promise<void> {
  const { conflict } = job.options;
  if (conflict !== "fail" && conflict !== "keep-both") return;
  const state = await fileState(session, pathsOf(session, job).final);
  if (state !== "absent") await refuseOrRename(session, job, state);
}

async function refuseOrRename(session: SftpSession, job: Job, state: unknown): Promise<void> {
  if (state === "unknown") throw cannotTell(job);
  if (job.options.conflict === "fail") throw fileExists(locationOf(job));
  const wanted = job.leaf;
  for (let n = 1; n <= mostNumbers; n++) {
    job.leaf = numberedName(wanted, n);
    const taken = await fileState(session, pathsOf(session, job).final);
    if (taken === "unknown") throw cannotTell(job);
    if (taken !== "absent") continue;
    job.notes.push(`${wanted} was there already; the content is kept beside it as ${job.leaf}.`);
    return;
  }
  throw tooManyNumbers(locationOf(job));
}

async function skipIdentical(
  session: SftpSession,
  job: Job,
  theirs: number | string,
): Promise<Receipt | undefined> {
  const { source, context } = job;
  if (typeof theirs !== "number" || (source.size !== undefined && source.size !== theirs)) return undefined;
  const ours = await digestOf(source, context.signal);
  if (ours.bytes !== theirs) return undefined;
  const there = await readBack(session, pathsOf(session, job).final, theirs);
  if (there !== ours.sha256) return undefined;
  const { bytes, sha256 } = ours;
  const location = locationOf(job);
  return { location, outcome: "skipped", bytes, sha256, verified: "read-back", notes: job.notes };
}

function cannotTell(job: Job): DeliveryError {
  const where = capitalised(job.connection.description);
  return new DeliveryError(
    "invalid",
    `${where} does not tell whether ${locationOf(job)} exists. Choose the policy "replace".`,
    { code: "SSH_FX_PERMISSION_DENIED" },
  );
}
