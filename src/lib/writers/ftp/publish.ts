import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import { keepClear } from "../conflict";
import { fileExists } from "../publication";
import type { FtpReply } from "./errors";
import { type Job, locationOf, pathsOf } from "./job";
import { fileState, isFolder } from "./remote-files";
import type { FtpSession } from "./session";
import { viewTarget } from "./target-view";
import { startDirectly, upload } from "./upload";
import { checkUpload } from "./verify";

/** Refusals after which a look at both names may show a way on; others are plain errors. */
const settled = new Set([500, 502, 550, 553]);
const mostTries = 5;

/**
 * Gives the upload its final name: RNFR and RNTO (RFC 959 §4.1.3), which replace an existing file on most
 * servers in one step.
 * @throws DeliveryError
 */
export async function publish(session: FtpSession, job: Job): Promise<void> {
  for (let tries = 1; ; tries++) {
    await keepClear(job, viewTarget(session, job));
    const { final, temporary } = pathsOf(session, job);
    job.renaming = true;
    const from = await session.ask(`RNFR ${temporary}`, "rename", { path: final });
    const to = from.code < 400 ? await session.ask(`RNTO ${final}`, "rename", { path: final }) : undefined;
    const reply = to ?? from;
    if (reply.code < 400) {
      job.published = true;
      return job.aside ? removeOld(session, job) : undefined;
    }
    job.renaming = false;
    // Pure-FTPd says it as if it were busy.
    if (reply.code === 451 && (await isFolder(session, final))) throw isAFolder(job, reply);
    if (!settled.has(reply.code) || tries >= mostTries) throw refusedRename(session, final, reply);
    if ((await findWayOn(session, job, reply, to !== undefined)) === "done") return;
  }
}

/**
 * After a refused rename the two names decide: it may have been done already, it may be that this server
 * does not rename over a file, or that it does not rename at all.
 */
async function findWayOn(
  session: FtpSession,
  job: Job,
  reply: FtpReply,
  sourceAccepted: boolean,
): Promise<"again" | "done"> {
  const { final, temporary } = pathsOf(session, job);
  const there = await fileState(session, final);
  if ((await fileState(session, temporary, final)) === "absent") {
    if (there === job.upload.bytes) {
      job.notes.push("The server refused the last step, but had done it already.");
      job.published = true;
      return "done";
    }
    throw vanished(job, reply);
  }
  if (there === "absent" && (await isFolder(session, final))) throw isAFolder(job, reply);
  if (typeof there === "number" && sourceAccepted) return makeRoom(session, job, reply);
  if (there !== "absent" || job.aside) throw refusedRename(session, final, reply);
  await session.ask(`DELE ${temporary}`, "remove", { path: final });
  startDirectly(job, "The server does not rename files, so the file was written under its own name.");
  await upload(session, job);
  await checkUpload(session, job, () => upload(session, job));
  return "done";
}

/**
 * RFC 959 does not say whether RNTO may replace a file, and some servers do not let it. The old file is
 * moved aside, not deleted: should the server not rename at all, nothing is lost.
 */
async function makeRoom(session: FtpSession, job: Job, reply: FtpReply): Promise<"again"> {
  const { conflict } = job.options;
  if (conflict === "fail") throw fileExists(locationOf(job));
  if (conflict === "keep-both") return "again";
  const { final, aside } = pathsOf(session, job);
  job.aside = true;
  if (!(await move(session, final, aside))) {
    job.aside = false;
    throw refusedRename(session, final, reply);
  }
  job.notes.push(
    "The server does not rename over a file: the old one was moved away first, so for a moment there was none.",
  );
  return "again";
}

/** @returns whether the server did it */
export async function move(session: FtpSession, from: string, to: string): Promise<boolean> {
  const accepted = await session.ask(`RNFR ${from}`, "rename", { path: to });
  if (accepted.code >= 400) return false;
  return (await session.ask(`RNTO ${to}`, "rename", { path: to })).code < 400;
}

export async function removeOld(session: FtpSession, job: Job): Promise<void> {
  const { aside } = pathsOf(session, job);
  const reply = await session.ask(`DELE ${aside}`, "remove", { path: aside });
  job.aside = false;
  if (reply.code >= 400) job.notes.push(`The old file could not be deleted; it is now ${job.asideLeaf}.`);
}

function refusedRename(session: FtpSession, path: string, reply: FtpReply): DeliveryError {
  return session.refusal(reply, "rename", { path, folderExists: true });
}

function isAFolder(job: Job, reply: FtpReply): DeliveryError {
  return new DeliveryError("rejected", `${locationOf(job)} is a folder. Choose another name for the file.`, {
    code: String(reply.code),
  });
}

function vanished({ connection }: Job, reply: FtpReply): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `${capitalised(connection.description)} no longer has the upload that was to be renamed. Does something tidy that folder up?`,
    { code: String(reply.code) },
  );
}
