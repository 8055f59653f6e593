import { setTimeout as sleep } from "node:timers/promises";
import { type DeliveryError, reworded } from "../../errors";
import type { Receipt } from "../../types";
import type { Found } from "../conflict";
import { type CleanUp, isTakenOver, lookAgainMs, restingState } from "../publication";
import { writeCompanions } from "./companion-files";
import { type Job, pathsOf, receiptOf } from "./job";
import { publish, removeOld } from "./publish";
import { fileState, readFile, remove, rename } from "./remote-files";
import type { SftpSession } from "./session";
import { emptyUpload, flush, withHandle } from "./transfer";
import { checkUpload } from "./upload";

const cleanUpTimeoutMs = 5_000;

/** From the stored upload to the receipt. */
export async function finish(session: SftpSession, job: Job): Promise<Receipt> {
  await checkUpload(session, job);
  if (!job.direct) await publish(session, job);
  return complete(session, job);
}

/** From content that was found in its place to the receipt. */
export async function accept(session: SftpSession, job: Job, found: Found): Promise<Receipt> {
  const { outcome, verified, ...content } = found;
  Object.assign(job, { upload: { ...emptyUpload(), ...content, stage: "stored" }, verified });
  // The attempt that may have brought it here may have got no further.
  return job.earlier.published === "no" ? receiptOf(job, outcome) : complete(session, job, outcome);
}

/** With the content in its place, what belongs beside it. */
async function complete(
  session: SftpSession,
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
  // Others speak of the file, and not of the connection.
  return error.kind === "unavailable" && /^(E[A-Z]+|SSH_DISCONNECT_\d+)$/.test(error.code ?? "");
}

/**
 * Looks on a new session what became of an upload or a rename whose answer was lost, and goes on from
 * there.
 * @returns undefined when nothing of the upload is of use
 * @throws DeliveryError
 */
export async function lookAndGoOn(session: SftpSession, job: Job): Promise<Receipt | undefined> {
  const { final, temporary } = pathsOf(session, job);
  const { bytes } = job.upload;
  const lost = "The server's last answer was lost; a new session found";
  if (!job.direct) {
    const uploaded = await restingState(() => fileState(session, temporary), bytes);
    if (uploaded === bytes) {
      if (!(await settleUpload(session, job, temporary))) return undefined;
      job.notes.push(`${lost} the upload complete.`);
      return finish(session, job);
    }
    // An old file can be as long as ours: it is ours only if the upload went there.
    if (!job.renaming || uploaded !== "absent") return undefined;
  }
  if ((await restingState(() => fileState(session, final), bytes)) !== bytes) return undefined;
  if (job.direct) {
    if (!(await settleUpload(session, job, final))) return undefined;
    await checkUpload(session, job);
  }
  job.notes.push(`${lost} the file in its place.`);
  // Under a temporary name it was compared before it got this one; now it is known to have its size, at least.
  if (job.verified === "none") job.verified = "size";
  if (job.aside) await removeOld(session, job);
  return complete(session, job);
}

/**
 * A file of the right size can still have holes: a server may do writes in any order. What it had not
 * answered for is compared, and the file flushed, as the lost session had no time to.
 * @returns whether the server holds everything
 */
async function settleUpload(session: SftpSession, job: Job, path: string): Promise<boolean> {
  for (const [position, sent] of job.upload.unanswered) {
    const held: Uint8Array[] = [];
    const part = { start: position, end: position + sent.length };
    const refused = await readFile(session, path, part, (bytes) => held.push(bytes));
    if (refused || !Buffer.concat(held).equals(sent)) return false;
  }
  job.upload.unanswered.clear();
  job.upload.stage = "stored";
  const opened = await session.ask<Buffer>((sftp, done) => sftp.open(path, "r+", done), "store", { path });
  if (opened.status) return false;
  await withHandle(session, path, opened.value, (handle) => flush(session, path, handle, job.upload.bytes));
  return true;
}

/** Removes what a failed attempt left, on a new session, unless it is another process's. */
export async function cleanUp(job: Job): Promise<CleanUp> {
  const { stage } = job.upload;
  // A final name that the server did not open may still be the old file.
  const begun = !job.published && stage !== "nothing" && !(stage === "asked" && job.direct);
  if (!begun && job.pending === undefined) return "nothing there";
  const isOthers = isTakenOver(job.context.signal);
  if (isOthers && !job.aside) return "unknown";
  const tidy = async (session: SftpSession): Promise<CleanUp> => {
    const { folder, upload } = pathsOf(session, job);
    const path = job.pending === undefined ? upload : `${folder}/${job.pending}`;
    if (job.aside) await putBack(session, job);
    if (isOthers) return "unknown";
    let refused = await remove(session, path);
    if (refused && (stage !== "stored" || job.pending !== undefined)) {
      // The server may not have noticed yet that the upload is over, or not have begun with it.
      await sleep(lookAgainMs);
      refused = await remove(session, path);
    }
    if (!refused) return "removed";
    return (await fileState(session, path)) === "absent" ? "nothing there" : "unknown";
  };
  try {
    return await job.connection.use(tidy, { signal: AbortSignal.timeout(cleanUpTimeoutMs), fresh: true });
  } catch {
    return "unknown";
  }
}

async function putBack(session: SftpSession, job: Job): Promise<void> {
  const { final, aside } = pathsOf(session, job);
  if ((await fileState(session, final)) === "absent") await rename(session, aside, final);
  job.aside = false;
}

/** Says in the error that something was left behind. */
export function withLeftover(error: DeliveryError, job: Job): DeliveryError {
  const unfinished = job.direct ? job.leaf : job.temporaryLeaf;
  const name = [...job.folders, job.pending ?? unfinished].join("/");
  return reworded(error, `${error.message} The unfinished upload ${name} may still be there.`);
}
