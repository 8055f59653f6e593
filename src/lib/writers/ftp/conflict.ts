import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import type { Receipt } from "../../types";
import { digestOf, mostNumbers, tooManyNumbers } from "../publication";
import { numberedName } from "../target-name";
import { isDeliveredAlready } from "./earlier";
import { alreadyThere, type Job, locationOf, pathsOf, receiptOf } from "./job";
import { type FileState, fileState } from "./remote-files";
import type { FtpSession } from "./session";
import { comparableDigests, compareContent } from "./verify";

/** Files up to this size are read back to be compared. */
const readBackMaxBytes = 8 * 1024 * 1024;

/**
 * Applies the policy for a file that is at the target already: it may change the job's name.
 * @returns a receipt when there is nothing to do
 * @throws DeliveryError `rejected` under `fail`; `invalid` when the server cannot tell what the policy needs
 */
export async function resolveConflict(session: FtpSession, job: Job): Promise<Receipt | undefined> {
  const { conflict } = job.options;
  // Costs no round trip in the usual case: the rename replaces what is there.
  if (conflict === "replace" && job.earlier.published === "no") return undefined;
  const wanted = job.leaf;
  job.leaf = job.earlier.leaf ?? wanted;
  const state = await fileState(session, pathsOf(session, job).final);
  if (await isDeliveredAlready(session, job, state)) return receiptOf(job);
  if (job.leaf !== wanted) {
    job.leaf = wanted;
    return applyPolicy(session, job, await fileState(session, pathsOf(session, job).final));
  }
  return applyPolicy(session, job, state);
}

async function applyPolicy(session: FtpSession, job: Job, state: FileState): Promise<Receipt | undefined> {
  const { conflict } = job.options;
  if (state === "absent" || conflict === "replace") return undefined;
  if (conflict === "skip-identical") {
    if (state !== "unknown") return skipIdentical(session, job, state);
    job.notes.push("The server tells no sizes, so the file was written without a comparison.");
    return undefined;
  }
  if (state === "unknown") throw cannotTell(job);
  if (conflict === "fail") throw alreadyThere(job);
  return (await chooseNumber(session, job)) ? receiptOf(job) : undefined;
}

/** Looks again right before publishing: a transfer takes time, and no FTP command refuses to overwrite. */
export async function keepClear(session: FtpSession, job: Job): Promise<void> {
  const { conflict } = job.options;
  if (conflict !== "fail" && conflict !== "keep-both") return;
  if ((await fileState(session, pathsOf(session, job).final)) === "absent") return;
  if (conflict === "fail") throw alreadyThere(job);
  await chooseNumber(session, job);
}

/** @returns whether one of the numbered files is an earlier attempt's work */
async function chooseNumber(session: FtpSession, job: Job): Promise<boolean> {
  const wanted = job.leaf;
  for (let n = 1; n <= mostNumbers; n++) {
    job.leaf = numberedName(wanted, n);
    const state = await fileState(session, pathsOf(session, job).final);
    if (state === "unknown") throw cannotTell(job);
    const ours = await isDeliveredAlready(session, job, state);
    if (state !== "absent" && !ours) continue;
    job.notes.push(`${wanted} was there already; the content is kept beside it as ${job.leaf}.`);
    return ours;
  }
  throw tooManyNumbers(locationOf(job));
}

async function skipIdentical(session: FtpSession, job: Job, theirs: number): Promise<Receipt | undefined> {
  if (job.source.size !== undefined && job.source.size !== theirs) return undefined;
  const ours = await digestOf(job.source, job.context.signal, comparableDigests(session, job));
  if (ours.bytes !== theirs) return undefined;
  const { final } = pathsOf(session, job);
  const { same, by } = await compareContent(session, { path: final, shown: final }, ours, {
    hash: true,
    readBackMaxBytes,
  });
  if (!same) return undefined;
  if (by === "size") {
    job.notes.push("The file there was compared by its size only: the server offers no hash.");
  }
  job.upload = { ...ours, stage: "stored" };
  job.verified = by;
  return receiptOf(job, "skipped");
}

function cannotTell(job: Job): DeliveryError {
  const where = capitalised(job.connection.description);
  return new DeliveryError(
    "invalid",
    `${where} cannot tell whether ${locationOf(job)} exists: it knows neither SIZE nor MLST. Choose the policy "replace".`,
    { code: "502" },
  );
}
