import { setTimeout as sleep } from "node:timers/promises";
import { DeliveryError } from "../../errors";
import type { Receipt } from "../../types";
import { type Job, pathsOf, receiptOf } from "./job";
import { move, publish, removeOld } from "./publish";
import { type FileState, fileState } from "./remote-files";
import type { FtpSession } from "./session";
import { checkUpload } from "./upload";

const cleanUpTimeoutMs = 5_000;
const lookAgainMs = 300;

/** From the stored upload to the receipt. */
export async function finish(session: FtpSession, job: Job): Promise<Receipt> {
  await checkUpload(session, job);
  if (!job.direct) await publish(session, job);
  return receiptOf(job);
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
    const uploaded = await restingState(session, temporary, bytes);
    if (uploaded === bytes) {
      job.upload.stage = "stored";
      job.notes.push(`${lost} the upload complete.`);
      return finish(session, job);
    }
    // An old file can be as long as ours: it is ours only if the upload went there.
    if (!job.renaming || uploaded !== "absent") return undefined;
  }
  if ((await restingState(session, final, bytes)) !== bytes) return undefined;
  job.notes.push(`${lost} the file in its place.`);
  job.verified = "size";
  if (job.aside) await removeOld(session, job);
  return receiptOf(job);
}

/** The server may still be taking in the last bytes of the connection that we lost. */
async function restingState(session: FtpSession, path: string, bytes: number): Promise<FileState> {
  let state = await fileState(session, path);
  for (let before: FileState = -1; state !== before && typeof state === "number" && state < bytes; ) {
    before = state;
    await sleep(lookAgainMs);
    state = await fileState(session, path);
  }
  return state;
}

/** Removes what a failed attempt left, on a new session. */
export async function cleanUp(job: Job): Promise<"removed" | "nothing there" | "unknown"> {
  const { stage } = job.upload;
  // A final name that the server did not open may still be the old file.
  if (stage === "nothing" || (stage === "asked" && job.direct)) return "nothing there";
  const remove = async (session: FtpSession) => {
    const { upload: path } = pathsOf(session, job);
    if (job.aside) await putBack(session, job);
    const ask = () => session.ask(`DELE ${path}`, "remove", { path });
    let reply = await ask();
    if (reply.code >= 400 && stage !== "stored") {
      // The server may not have noticed yet that the upload is over, or not have begun with it.
      await sleep(lookAgainMs);
      reply = await ask();
    }
    if (reply.code < 400) return "removed";
    return (await fileState(session, path)) === "absent" ? "nothing there" : "unknown";
  };
  try {
    return await job.connection.use(remove, { signal: AbortSignal.timeout(cleanUpTimeoutMs), fresh: true });
  } catch {
    return "unknown";
  }
}

async function putBack(session: FtpSession, job: Job): Promise<void> {
  const { final, aside } = pathsOf(session, job);
  if ((await fileState(session, final)) === "absent") await move(session, aside, final);
  job.aside = false;
}

/** Says in the error that something was left behind. */
export function withLeftover(error: DeliveryError, job: Job): DeliveryError {
  const name = [...job.folders, job.direct ? job.leaf : job.temporaryLeaf].join("/");
  const { code, retryAfterMs, maxAttempts, cause } = error;
  return new DeliveryError(error.kind, `${error.message} The unfinished upload ${name} may still be there.`, {
    code,
    retryAfterMs,
    maxAttempts,
    cause,
  });
}
