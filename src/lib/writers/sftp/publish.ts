import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import { keepClear } from "../conflict";
import { fileExists } from "../publication";
import type { SftpStatus } from "./errors";
import { type Job, locationOf, pathsOf } from "./job";
import { fileState, remove, rename, replace } from "./remote-files";
import type { SftpSession } from "./session";
import { viewTarget } from "./target-view";
import { checkUpload, folderThere, startDirectly, upload } from "./upload";

const mostTries = 5;

/**
 * Gives the upload its final name in one step: by `posix-rename@openssh.com`, which replaces a file, or by
 * the draft's own rename, which does not.
 * @throws DeliveryError
 */
export async function publish(session: SftpSession, job: Job): Promise<void> {
  for (let tries = 1; ; tries++) {
    await keepClear(job, viewTarget(session, job));
    const { final, temporary } = pathsOf(session, job);
    job.renaming = true;
    const replaced = mayReplace(job) ? await replace(session, temporary, final) : "unsupported";
    const refused = replaced === "unsupported" ? await rename(session, temporary, final) : replaced;
    if (!refused) {
      job.published = true;
      return job.aside ? removeOld(session, job) : undefined;
    }
    job.renaming = false;
    if (tries >= mostTries) throw refusedRename(session, final, refused);
    if ((await findWayOn(session, job, refused)) === "done") return;
  }
}

function mayReplace({ options: { conflict } }: Job): boolean {
  return conflict === "replace" || conflict === "skip-identical";
}

/**
 * After a refused rename the two names decide: it may have been done already, it may be that this server
 * does not rename over a file, or that it does not rename at all.
 */
async function findWayOn(session: SftpSession, job: Job, refused: SftpStatus): Promise<"again" | "done"> {
  const { final, temporary } = pathsOf(session, job);
  const there = await fileState(session, final);
  if ((await fileState(session, temporary)) === "absent") {
    if (there === job.upload.bytes) {
      job.notes.push("The server refused the last step, but had done it already.");
      job.published = true;
      return "done";
    }
    throw vanished(job);
  }
  if (there === "folder") throw session.refusal(folderThere, "rename", { path: final });
  if (there !== "absent" && there !== "unknown" && !job.aside) return makeRoom(session, job, refused);
  if (there !== "absent" || job.aside) throw refusedRename(session, final, refused);
  await remove(session, temporary);
  startDirectly(job, "The server does not rename files, so the file was written under its own name.");
  await upload(session, job);
  await checkUpload(session, job);
  return "done";
}

/** The old file is moved aside, not deleted: should the server not rename at all, nothing is lost. */
async function makeRoom(session: SftpSession, job: Job, refused: SftpStatus): Promise<"again"> {
  const { conflict } = job.options;
  if (conflict === "fail") throw fileExists(locationOf(job));
  if (conflict === "keep-both") return "again";
  // A server with a rename that replaces has refused for another reason.
  if (!session.context.facts.unknown.has("posix-rename")) {
    throw refusedRename(session, pathsOf(session, job).final, refused);
  }
  const { final, aside } = pathsOf(session, job);
  job.aside = true;
  if (await rename(session, final, aside)) {
    job.aside = false;
    throw refusedRename(session, final, refused);
  }
  job.notes.push(
    "The server does not rename over a file: the old one was moved away first, so for a moment there was none.",
  );
  return "again";
}

export async function removeOld(session: SftpSession, job: Job): Promise<void> {
  const refused = await remove(session, pathsOf(session, job).aside);
  job.aside = false;
  if (refused) job.notes.push(`The old file could not be deleted; it is now ${job.asideLeaf}.`);
}

function refusedRename(session: SftpSession, path: string, status: SftpStatus): DeliveryError {
  return session.refusal(status, "rename", { path });
}

function vanished({ connection }: Job): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `${capitalised(connection.description)} no longer has the upload that was to be renamed. Does something tidy that folder up?`,
    { code: "SSH_FX_NO_SUCH_FILE" },
  );
}
