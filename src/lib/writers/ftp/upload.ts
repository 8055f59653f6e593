import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import { emptyUpload, type Job, pathsOf } from "./job";
import { fileState, isFolder, makeFolders, serverSha256 } from "./remote-files";
import type { FtpSession } from "./session";
import { store } from "./transfer";

/** Larger files would keep the server silent for longer than a session may be. */
const hashMaxBytes = 1024 * 1024 * 1024;

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
  const { folder, final, upload: path } = pathsOf(session, job);
  let reply = await send(session, job, path);
  if (perhapsNoFolder.has(reply.code) && (await provideFolder(session, job, folder))) {
    reply = await send(session, job, path);
  }
  if (reply.code < 400) return;
  if (!job.direct && perhapsTheName.has(reply.code) && (await isFree(session, final))) {
    startDirectly(job, "The server did not take the temporary name, so the file was written under its own.");
    return upload(session, job);
  }
  throw session.refusal(reply, "store", { path, folderExists: true });
}

/**
 * @returns whether the folder was missing and is there now
 * @throws DeliveryError when it is missing and stays so
 */
async function provideFolder(session: FtpSession, job: Job, folder: string): Promise<boolean> {
  if (folder === "" || (await isFolder(session, folder))) return false;
  const reason = job.options.makeFolders ? await makeFolders(session, folder) : undefined;
  if (reason) throw session.refusal(reason, "folder", { path: folder, folderExists: true });
  if (job.options.makeFolders) return true;
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

function send(session: FtpSession, job: Job, path: string) {
  const { signal, onProgress } = job.context;
  // A second pass does not make more of the content.
  const progress = job.progressTold ? () => {} : onProgress;
  return store(session, path, job.source, job.upload, {
    signal,
    onProgress: (bytes) => {
      job.progressTold = true;
      progress(bytes);
    },
  });
}

/**
 * Compares what the server holds with what was read: 226 proves nothing, as the end of a file is only the
 * closing of a connection.
 * @throws DeliveryError `unavailable` when they differ
 */
export async function checkUpload(session: FtpSession, job: Job): Promise<void> {
  if (job.options.verify === "none") return;
  const { upload: path } = pathsOf(session, job);
  const { bytes, sha256 } = job.upload;
  const state = await fileState(session, path);
  if (typeof state !== "number") {
    job.notes.push("The server tells no size, so nothing but its own word shows that all bytes arrived.");
    return;
  }
  if (state !== bytes) throw damaged(job, `holds ${state} of ${bytes} bytes`, "SIZE_MISMATCH");
  const theirs = bytes <= hashMaxBytes ? await serverSha256(session, path) : undefined;
  if (theirs !== undefined && theirs !== sha256) {
    throw damaged(job, "has another SHA-256 for the content", "CHECKSUM_MISMATCH");
  }
  job.verified = theirs === undefined ? "size" : "checksum";
}

function damaged({ connection, folders, leaf }: Job, what: string, code: string): DeliveryError {
  const name = [...folders, leaf].join("/");
  return new DeliveryError(
    "unavailable",
    `${capitalised(connection.description)} ${what} of ${name}: the upload was damaged on its way.`,
    { code, maxAttempts: 3 },
  );
}
