import { link, rename, rm } from "node:fs/promises";
import { codeOf, type DeliveryError, interrupted, reworded } from "../../errors";
import { wantedLeaf } from "../conflict";
import { fileExists, isTakenOver, mostNumbers, tooManyNumbers } from "../publication";
import { numberedName } from "../target-name";
import { syncFolder } from "./folders";
import { type Job, locationOf, pathsOf, within } from "./job";
import { viewTarget } from "./target-view";

/**
 * Gives the temporary file its final name in one step, so that nobody sees the target without a file.
 * @throws DeliveryError
 */
export async function publish(job: Job): Promise<void> {
  // From here on an abort comes too late: the step is as short as it is final.
  if (job.context.signal.aborted) throw interrupted();
  const { conflict } = job.options;
  if (conflict === "replace" || conflict === "skip-identical") await replace(job);
  else {
    for (let n = 1; !(await place(job)); n++) {
      if (conflict === "fail") throw fileExists(locationOf(job));
      if (n > mostNumbers) throw tooManyNumbers(locationOf(job));
      job.leaf = numberedName(wantedLeaf(job), n);
    }
  }
  job.temporary = false;
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
    await removeSecondName(job);
    return true;
  }
  job.publishing = false;
  if (answer === "taken" || (await viewTarget(job).state()) !== "absent") return false;
  await replace(job);
  job.notes.push(
    "The file system there has no hard links: a file that another program made in the same moment would have been replaced.",
  );
  return true;
}

/** The file is in its place: that it keeps another name, too, is no reason to call that a failure. */
export async function removeSecondName(job: Job): Promise<void> {
  const { temporary } = pathsOf(job);
  try {
    await within(job, "remove", temporary, () => rm(temporary, { force: true }));
  } catch {
    job.notes.push(`The temporary name ${job.temporaryLeaf} could not be removed.`);
  }
}

const cleanUpTimeoutMs = 5_000;

/** Removes what a failed attempt left, unless it is another process's. The signal may be aborted by then. */
export async function cleanUp(job: Job): Promise<"removed" | "unknown"> {
  if (!job.temporary) return "removed";
  if (isTakenOver(job.context.signal)) return "unknown";
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
