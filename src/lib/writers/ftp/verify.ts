import { DeliveryError } from "../../errors";
import { companionDigests } from "../companions";
import type { Compared } from "../conflict";
import type { DigestAlgorithm, Fingerprint } from "../digests";
import { damagedUpload } from "../publication";
import { type Job, pathsOf } from "./job";
import { fileState, type RemoteFile } from "./remote-files";
import { readBack } from "./retrieve";
import { serverDigest, serverHash } from "./server-hash";
import type { FtpSession } from "./session";

/** `automatic` reads files of up to this size again where the server has no hash command. */
export const smallFileBytes = 1024 * 1024;

/** The digests that have to be computed while content is sent: nothing is read twice. */
export function wantedDigests(session: FtpSession, job: Job): DigestAlgorithm[] {
  if (job.options.verify === "automatic") return comparableDigests(session, job);
  return companionDigests(job.companions);
}

/** The digests by which content can be compared with a file at the server. */
export function comparableDigests(session: FtpSession, { companions }: Job): DigestAlgorithm[] {
  const hash = serverHash(session);
  return [...(hash ? [hash.algorithm] : []), ...companionDigests(companions)];
}

interface Comparison {
  /** Whether a command of the server may tell. */
  hash: boolean;
  /** Files up to this size are read back. */
  readBackMaxBytes: number;
}

/** How a file compares with ours: by the server's hash, by reading it back, or not at all. */
export async function compareContent(
  session: FtpSession,
  file: RemoteFile,
  ours: Fingerprint,
  { hash, readBackMaxBytes }: Comparison,
): Promise<Compared> {
  const offer = hash ? serverHash(session) : undefined;
  const expected = offer && ours.digests[offer.algorithm];
  if (offer && expected !== undefined) {
    const theirs = await serverDigest(session, offer, file, ours.bytes);
    if (theirs !== undefined) return { same: theirs === expected, by: "checksum" };
  }
  const read = ours.bytes <= readBackMaxBytes ? await readBack(session, file.path, file.shown) : undefined;
  return read ? { same: read.sha256 === ours.sha256, by: "read-back" } : { same: true, by: "size" };
}

/**
 * 226 proves nothing, as the end of a file is only the closing of a connection. So the best is taken that is
 * allowed and can be had: the server's own hash, reading the file back, its size. What was read back needs no
 * size beside it: that would be one more round trip for each small file.
 */
async function checkAsItIs(session: FtpSession, job: Job): Promise<void> {
  const { verify } = job.options;
  if (verify === "none") return;
  const { upload: path, final: shown } = pathsOf(session, job);
  const { bytes } = job.upload;
  const { same, by } = await checkContent(session, job, { path, shown });
  if (same && by === "read-back") {
    job.verified = by;
    return;
  }
  const state = await fileState(session, path, shown);
  if (typeof state === "number" && state !== bytes) {
    throw damaged(job, `holds ${state} of ${bytes} bytes`, "SIZE_MISMATCH");
  }
  if (!same) throw damaged(job, "holds other content than was sent", "CHECKSUM_MISMATCH");
  job.verified = by === "size" && typeof state !== "number" ? "none" : by;
  if (job.verified === "none") {
    job.notes.push("The server tells no size, so nothing but its own word shows that all bytes arrived.");
  }
}

async function checkContent(session: FtpSession, job: Job, file: RemoteFile): Promise<Compared> {
  const { verify } = job.options;
  if (verify === "size") return { same: true, by: "size" };
  const always = verify === "read-back";
  const compared = await compareContent(session, file, job.upload, {
    hash: !always,
    // The first part of a resumed upload went through a connection that broke.
    readBackMaxBytes: always || job.resumedAt ? Number.POSITIVE_INFINITY : smallFileBytes,
  });
  if (always && compared.by === "size") {
    job.notes.push("The server does not let the file be read again, so it was not.");
  }
  return compared;
}

/**
 * Compares what the server holds with what was read. What an earlier attempt has left is only then trusted;
 * when it is not as it should be, the content is sent once more, from the first byte.
 * @throws DeliveryError `unavailable` when they differ
 */
export async function checkUpload(
  session: FtpSession,
  job: Job,
  sendAnew: () => Promise<void>,
): Promise<void> {
  try {
    return await checkAsItIs(session, job);
  } catch (error) {
    if (!job.resumedAt || !isDamage(error)) throw error;
  }
  job.resumedAt = 0;
  job.notes.push("What an earlier attempt had left at the server was damaged, so all was sent anew.");
  await sendAnew();
  await checkAsItIs(session, job);
}

const damages = new Set(["SIZE_MISMATCH", "CHECKSUM_MISMATCH"]);

/** Whether bytes got lost or changed, so that what is there is of no use. */
export function isDamage(error: unknown): boolean {
  return error instanceof DeliveryError && damages.has(error.code ?? "");
}

function damaged({ connection, folders, leaf }: Job, what: string, code: string): DeliveryError {
  return damagedUpload(connection.description, what, [...folders, leaf].join("/"), code);
}
