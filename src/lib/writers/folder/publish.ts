import { link, lstat, rename, rm } from "node:fs/promises";
import { codeOf, type DeliveryError, interrupted, reworded } from "../../errors";
import type { Receipt } from "../../types";
import { digestOf, fileExists, mostNumbers, tooManyNumbers } from "../publication";
import { numberedName } from "../target-name";
import { digestOfFile } from "./content";
import { syncFolder } from "./folders";
import { type Job, pathsOf, receiptOf, within } from "./job";

/**
 * Applies the policy for a file that is at the target already, before anything is read.
 * @returns a receipt when there is nothing to do
 * @throws DeliveryError `rejected` under `fail`
 */
export async function resolveConflict(job: Job): Promise<Receipt | undefined> {
  const { conflict } = job.options;
  if (conflict === "replace") return undefined;
  const found = await look(job);
  if (!found || conflict === "keep-both") return undefined;
  if (conflict === "fail") throw fileExists(receiptOf(job).location);
  const { source, context } = job;
  const theirs = found.isFile() ? Number(found.size) : undefined;
  if (theirs === undefined || (source.size !== undefined && source.size !== theirs)) return undefined;
  const ours = await digestOf(source, context.signal);
  if (ours.bytes !== theirs) return undefined;
  const there = await digestOfFile(job, pathsOf(job).final);
  if (there.sha256 !== ours.sha256) return undefined;
  return receiptOf({ ...job, ...ours, verified: "read-back" }, "skipped");
}

function look(job: Job) {
  const { final } = pathsOf(job);
  return within(job, "look", final, async () => {
    try {
      return await lstat(final, { bigint: true });
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  });
}

/** Whether the file at the target is the very one that this job, or an earlier attempt, has written. */
export async function isOurs(job: Job): Promise<boolean> {
  return job.inode !== undefined && (await look(job))?.ino === job.inode;
}

/**
 * Gives the temporary file its final name in one step, so that nobody sees the target without a file.
 * @throws DeliveryError
 */
export async function publish(job: Job): Promise<void> {
  // From here on an abort comes too late: the step is as short as it is final.
  if (job.context.signal.aborted) throw interrupted();
  const { conflict } = job.options;
  const wanted = job.leaf;
  if (conflict === "replace" || conflict === "skip-identical") await replace(job);
  else {
    for (let n = 1; !(await place(job)); n++) {
      if (conflict === "fail") throw fileExists(receiptOf(job).location);
      if (n > mostNumbers) throw tooManyNumbers(receiptOf(job).location);
      job.leaf = numberedName(wanted, n);
    }
  }
  job.temporary = false;
  if (job.leaf !== wanted) {
    job.notes.push(`${wanted} was there already; the content is kept beside it as ${job.leaf}.`);
  }
  await syncFolder(job, job.folder);
}

async function replace(job: Job): Promise<void> {
  const { final, temporary } = pathsOf(job);
  job.publishing = true;
  await within(job, "publish", final, () => rename(temporary, final));
}

/** How file systems without hard links refuse one. */
const noLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EINVAL"]);

/**
 * link(2) never replaces a file, and rename(2) always does.
 * @returns false when there is a file
 */
async function place(job: Job): Promise<boolean> {
  const { final, temporary } = pathsOf(job);
  job.publishing = true;
  const answer = await within(job, "publish", final, async () => {
    try {
      await link(temporary, final);
      return "placed";
    } catch (error) {
      const code = codeOf(error) ?? "";
      if (code === "EEXIST") return "taken";
      if (noLinks.has(code)) return "no links";
      throw error;
    }
  });
  if (answer === "placed") {
    // The file is in its place: a second name that stays is no reason to call that a failure.
    await within(job, "remove", temporary, () => rm(temporary, { force: true })).catch(() =>
      job.notes.push(`The temporary name ${job.temporaryLeaf} could not be removed.`),
    );
    return true;
  }
  job.publishing = false;
  if (answer === "taken" || (await look(job))) return false;
  await replace(job);
  job.notes.push(
    "The file system there has no hard links: a file that another program made in the same moment would have been replaced.",
  );
  return true;
}

const cleanUpTimeoutMs = 5_000;

/** Removes what a failed attempt left. The signal may be aborted by then. */
export async function cleanUp(job: Job): Promise<"removed" | "unknown"> {
  if (!job.temporary) return "removed";
  const { temporary } = pathsOf(job);
  const patient = {
    options: { ...job.options, idleTimeoutMs: cleanUpTimeoutMs },
    context: { ...job.context, signal: new AbortController().signal },
  };
  try {
    await within(patient, "remove", temporary, () => rm(temporary, { force: true }));
    return "removed";
  } catch {
    return "unknown";
  }
}

/** Says in the error that something was left behind. */
export function withLeftover(error: DeliveryError, job: Job): DeliveryError {
  const { temporary } = pathsOf(job);
  return reworded(error, `${error.message} The unfinished ${temporary} may still be there.`);
}
