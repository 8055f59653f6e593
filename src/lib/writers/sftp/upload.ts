import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import { companionDigests } from "../companions";
import { damagedUpload } from "../publication";
import type { SftpStatus } from "./errors";
import { type Job, pathsOf } from "./job";
import { fileState, isFolder, isMissing, makeFolders, readBack } from "./remote-files";
import type { SftpSession } from "./session";
import { emptyUpload, store } from "./transfer";

/**
 * Sends the source to the job's upload name. Folders are made only when the server misses them: in the
 * usual case nothing is asked.
 * @throws DeliveryError
 */
export async function upload(session: SftpSession, job: Job): Promise<void> {
  const { folder, final, upload: path } = pathsOf(session, job);
  let refused = await send(session, job, path);
  if (refused && isMissing(refused)) {
    await provideFolder(session, job, folder);
    refused = await send(session, job, path);
  }
  if (!refused) return;
  if (job.direct && (await fileState(session, final)) === "folder")
    throw session.refusal(folderThere, "store", { path });
  if (!job.direct && !isMissing(refused) && (await fileState(session, final)) === "absent") {
    startDirectly(job, "The server did not take the temporary name, so the file was written under its own.");
    return upload(session, job);
  }
  throw session.refusal(refused, "store", { path });
}

export const folderThere: SftpStatus = { code: 24, text: "Is a folder." };

/** @throws DeliveryError when the folder is missing and stays so */
async function provideFolder(session: SftpSession, job: Job, folder: string): Promise<void> {
  if (await isFolder(session, folder)) return;
  if (!job.options.makeFolders) {
    throw new DeliveryError(
      "missing",
      `${capitalised(session.context.where)} has no folder ${folder}. Make it, or let the writer make folders.`,
      { code: "SSH_FX_NO_SUCH_FILE" },
    );
  }
  const refused = await makeFolders(session, folder);
  if (refused) throw session.refusal(refused, "folder", { path: folder });
}

/** Lets the next upload go straight to the final name. */
export function startDirectly(job: Job, note: string): void {
  job.direct = true;
  job.renaming = false;
  job.upload = emptyUpload();
  job.notes.push(note);
}

function send(session: SftpSession, job: Job, path: string): Promise<SftpStatus | undefined> {
  const { signal, onProgress } = job.context;
  // A second pass does not make more of the content.
  const progress = job.progressTold ? () => {} : onProgress;
  const { conflict } = job.options;
  return store(session, path, job.source, job.upload, {
    signal,
    digests: companionDigests(job.companions),
    exclusive: job.direct && (conflict === "fail" || conflict === "keep-both"),
    onProgress: (bytes) => {
      job.progressTold = true;
      progress(bytes);
    },
  });
}

/**
 * Compares what the server holds with what was read.
 * @throws DeliveryError `unavailable` when they differ
 */
export async function checkUpload(session: SftpSession, job: Job): Promise<void> {
  const { verify } = job.options;
  if (verify === "none") return;
  const { upload: path } = pathsOf(session, job);
  const { bytes, sha256 } = job.upload;
  const state = job.upload.size ?? (await fileState(session, path));
  if (typeof state !== "number") {
    job.notes.push("The server tells no size, so nothing but its own word shows that all bytes arrived.");
    return;
  }
  if (state !== bytes) throw damaged(job, `holds ${state} of ${bytes} bytes`, "SIZE_MISMATCH");
  job.verified = "size";
  if (verify !== "read-back") return;
  const theirs = await readBack(session, path, bytes);
  if (theirs === undefined) {
    job.notes.push("The server does not let the file be read again, so only its size was compared.");
    return;
  }
  if (theirs !== sha256) throw damaged(job, "has another SHA-256 for the content", "CHECKSUM_MISMATCH");
  job.verified = "read-back";
}

function damaged({ connection, folders, leaf }: Job, what: string, code: string): DeliveryError {
  return damagedUpload(connection.description, what, [...folders, leaf].join("/"), code);
}
