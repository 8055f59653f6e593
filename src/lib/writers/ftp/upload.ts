import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import { digestOf } from "../publication";
import { emptyUpload, type Job, pathsOf } from "./job";
import { fileState, isFolder, makeFolders } from "./remote-files";
import { findResumePoint } from "./resume";
import type { FtpSession } from "./session";
import { store } from "./transfer";
import { wantedDigests } from "./verify";

/** How servers refuse an upload into a missing folder: RFC 959 says 553, most say 550. */
const perhapsNoFolder = new Set([550, 553]);
/** How servers refuse a name that they do not like. */
const perhapsTheName = new Set([501, 504, 550, 551, 553]);

/**
 * Sends the source to the job's upload name. Folders are made only when the server misses them: in the
 * usual case nothing is asked.
 * @throws DeliveryError
 */
export async function upload(session: FtpSession, job: Job): Promise<void> {
  job.resumedAt ??= await findResumePoint(session, job);
  if (job.resumedAt > 0 && (await goOn(session, job, job.resumedAt))) return;
  job.resumedAt = 0;
  const { folder, final, temporary } = pathsOf(session, job);
  let reply = await send(session, job);
  const refused = () => session.refusal(reply, "store", { path: final, folderExists: true });
  // What may pass, such as a lock, says nothing of folders and names.
  if (reply.code >= 400 && refused().kind === "unavailable") throw refused();
  if (perhapsNoFolder.has(reply.code) && folder !== "" && !job.folderThere) {
    await provideFolder(session, job, folder);
    job.folderThere = true;
    // Also where the folder is there: another session may have made it between the refusal and our look.
    reply = await send(session, job);
  }
  if (reply.code < 400) return;
  if (!job.direct && perhapsTheName.has(reply.code) && (await isFree(session, final))) {
    if (job.leftover) await session.ask(`DELE ${temporary}`, "remove", { path: final });
    startDirectly(job, "The server did not take the temporary name, so the file was written under its own.");
    return upload(session, job);
  }
  throw refused();
}

/** @returns whether the server has all of it now */
async function goOn(session: FtpSession, job: Job, resumeAt: number): Promise<boolean> {
  const { source, context } = job;
  const share = `${resumeAt} of ${source.size} bytes were at the server already, from an earlier attempt`;
  if (resumeAt === source.size) {
    const content = await digestOf(source, context.signal, wantedDigests(session, job));
    job.upload = { ...content, stage: "stored" };
  } else if ((await send(session, job, resumeAt)).code >= 400) {
    // The server may keep it in mind for the next upload.
    await session.ask("REST 0", "store", { path: pathsOf(session, job).final });
    return false;
  }
  job.notes.push(`${share}.`);
  return true;
}

/** @throws DeliveryError when it is missing and stays so */
async function provideFolder(session: FtpSession, job: Job, folder: string): Promise<void> {
  if (await isFolder(session, folder)) return;
  const reason = job.options.makeFolders ? await makeFolders(session, folder) : undefined;
  if (reason) throw session.refusal(reason, "folder", { path: folder, folderExists: true });
  if (job.options.makeFolders) return;
  throw new DeliveryError(
    "missing",
    `${capitalised(session.context.where)} has no folder ${folder}. Make it, or let the writer make folders.`,
    { code: "550" },
  );
}

/** Whether nothing would be lost by writing to the name. */
export async function isFree(session: FtpSession, path: string): Promise<boolean> {
  return (await fileState(session, path)) === "absent" && !(await isFolder(session, path));
}

/** Lets the next upload go straight to the final name. */
export function startDirectly(job: Job, note: string): void {
  job.direct = true;
  job.renaming = false;
  job.upload = { ...emptyUpload };
  job.notes.push(note);
}

function send(session: FtpSession, job: Job, resumeAt = 0) {
  const { upload: path, final: shown } = pathsOf(session, job);
  const { signal, onProgress } = job.context;
  // A second pass does not make more of the content.
  const progress = job.progressTold ? () => {} : onProgress;
  return store(session, path, job.source, job.upload, {
    signal,
    shown,
    resumeAt,
    digests: wantedDigests(session, job),
    onProgress: (bytes) => {
      job.progressTold = true;
      progress(bytes);
    },
  });
}
