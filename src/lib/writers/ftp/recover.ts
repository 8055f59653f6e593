import { setTimeout as sleep } from "node:timers/promises";
import { type DeliveryError, reworded } from "../../errors";
import type { Receipt } from "../../types";
import type { Found } from "../conflict";
import { type CleanUp, isTakenOver, lookAgainMs, restingState } from "../publication";
import { writeCompanions } from "./companion-files";
import { type Job, pathsOf, receiptOf } from "./job";
import { move, publish, removeOld } from "./publish";
import { fileState } from "./remote-files";
import { isWorthKeeping } from "./resume";
import type { FtpSession } from "./session";
import { upload } from "./upload";
import { checkUpload } from "./verify";

const cleanUpTimeoutMs = 5_000;

/** From the stored upload to the receipt. */
export async function finish(session: FtpSession, job: Job): Promise<Receipt> {
  await checkUpload(session, job, () => upload(session, job));
  if (!job.direct) await publish(session, job);
  return complete(session, job);
}

/** From content that was found in its place to the receipt. */
export async function accept(session: FtpSession, job: Job, found: Found): Promise<Receipt> {
  const { outcome, verified, ...content } = found;
  Object.assign(job, { upload: { ...content, stage: "stored" }, verified });
  // The attempt that may have brought it here may have got no further.
  return job.earlier.published === "no" ? receiptOf(job, outcome) : complete(session, job, outcome);
}

/** With the content in its place, what belongs beside it. */
async function complete(
  session: FtpSession,
  job: Job,
  outcome: Receipt["outcome"] = "delivered",
): Promise<Receipt> {
  job.published = true;
  await writeCompanions(session, job);
  return receiptOf(job, outcome);
}

/** Whether the server may have done all that it was asked, so that only a look can tell. */
export function mayBeDone(job: Job, error: DeliveryError): boolean {
  if (job.upload.stage !== "sent" && job.upload.stage !== "stored") return false;
  if (error.kind !== "unavailable" && error.kind !== "throttled") return false;
  // 421 and 426 speak of the connection; other replies, and what we found out ourselves, of the file.
  return error.code === undefined || /^(421|426|E[A-Z]+)$/.test(error.code);
}

/**
 * Looks on a new session what became of an upload or a rename whose answer was lost, and goes on from
 * there.
 * @returns undefined when nothing of the upload is of use
 * @throws DeliveryError
 */
export async function lookAndGoOn(session: FtpSession, job: Job): Promise<Receipt | undefined> {
  const { final, temporary } = pathsOf(session, job);
  const { bytes } = job.upload;
  const lost = "The server's last answer was lost; a new session found";
  if (!job.direct) {
    const uploaded = await restingState(() => fileState(session, temporary, final), bytes);
    if (uploaded === bytes) {
      job.upload.stage = "stored";
      job.notes.push(`${lost} the upload complete.`);
      return finish(session, job);
    }
    // An old file can be as long as ours: it is ours only if the upload went there.
    if (!job.renaming || uploaded !== "absent") return undefined;
  }
  if ((await restingState(() => fileState(session, final), bytes)) !== bytes) return undefined;
  // Under a temporary name it was compared before it got this one.
  if (job.direct) await checkUpload(session, job, () => upload(session, job));
  job.notes.push(`${lost} the file in its place.`);
  if (job.aside) await removeOld(session, job);
  return complete(session, job);
}

/**
 * Removes what a failed attempt left, on a new session, unless it is another process's.
 * @param keep whether the next attempt may go on with what is there
 */
export async function cleanUp(job: Job, keep: boolean): Promise<CleanUp> {
  const { stage } = job.upload;
  // A final name that the server did not open may still be the old file.
  const begun = !job.published && stage !== "nothing" && !(stage === "asked" && job.direct);
  if (!begun && !job.leftover && job.pending === undefined) return "nothing there";
  const isOthers = isTakenOver(job.context.signal);
  if (isOthers && !job.aside) return "unknown";
  const tidy = async (session: FtpSession) => {
    const { folder, upload: path, temporary, final } = pathsOf(session, job);
    if (job.aside) await putBack(session, job);
    if (isOthers) return "unknown";
    if (job.pending !== undefined) return remove(session, `${folder}/${job.pending}`, true);
    if (keep) {
      const held = await restingState(() => fileState(session, temporary, final), job.source.size ?? 0);
      if (isWorthKeeping(held)) return "kept";
    }
    if (!begun) return remove(session, temporary, true);
    return remove(session, path, stage === "stored");
  };
  try {
    return await job.connection.use(tidy, { signal: AbortSignal.timeout(cleanUpTimeoutMs), fresh: true });
  } catch {
    return "unknown";
  }
}

async function remove(session: FtpSession, path: string, isOver: boolean): Promise<CleanUp> {
  const ask = () => session.ask(`DELE ${path}`, "remove", { path });
  let reply = await ask();
  if (reply.code >= 400 && !isOver) {
    // The server may not have noticed yet that the upload is over, or not have begun with it.
    await sleep(lookAgainMs);
    reply = await ask();
  }
  if (reply.code < 400) return "removed";
  return (await fileState(session, path)) === "absent" ? "nothing there" : "unknown";
}

async function putBack(session: FtpSession, job: Job): Promise<void> {
  const { final, aside } = pathsOf(session, job);
  if ((await fileState(session, final)) === "absent") await move(session, aside, final);
  job.aside = false;
}

/** Says in the error that something was left behind. */
export function withLeftover(error: DeliveryError, job: Job): DeliveryError {
  const unfinished = job.direct ? job.leaf : job.temporaryLeaf;
  const name = [...job.folders, job.pending ?? unfinished].join("/");
  return reworded(error, `${error.message} The unfinished upload ${name} may still be there.`);
}
