import type { FtpReply } from "./errors";
import type { FtpSession } from "./session";
import { readBack } from "./transfer";

/** A file's size in bytes; or that there is no such file; or that the server does not tell. */
export type FileState = number | "absent" | "unknown";

/** The server does not know the command: RFC 959 §4.2.1, and 202 for one that it need not do. */
const notKnown = new Set([202, 500, 502, 504]);

/** Asks with SIZE or MLST (RFC 3659). A folder counts as absent. */
export async function fileState(session: FtpSession, path: string): Promise<FileState> {
  const size = await optional(session, "SIZE", path);
  const told = size?.code === 213 ? /^213 +(\d+)/.exec(size.text)?.[1] : undefined;
  if (told !== undefined) return Number(told);
  if (size?.code === 550) return "absent";
  const facts = session.features.has("MLST") ? await optional(session, "MLST", path) : undefined;
  if (facts?.code === 550) return "absent";
  const found = facts?.code === 250 ? /;?size=(\d+);/i.exec(facts.text)?.[1] : undefined;
  return found === undefined ? "unknown" : Number(found);
}

/** undefined when the server does not know the command; then it is not asked again. */
async function optional(session: FtpSession, command: string, path: string): Promise<FtpReply | undefined> {
  const { unknown } = session.context.facts;
  if (unknown.has(command)) return undefined;
  const reply = await session.ask(`${command} ${path}`, "look", { path });
  if (!notKnown.has(reply.code)) return reply;
  unknown.add(command);
  return undefined;
}

export async function isFolder(session: FtpSession, path: string): Promise<boolean> {
  return (await session.ask(`CWD ${path}`, "folder", { path })).code < 400;
}

/**
 * Makes a folder and those above it. Servers answer MKD of an existing folder with 257, 521 or 550, and
 * 550 has other reasons too: only the look at the end tells.
 * @returns the server's reason when the folder is not there now
 */
export async function makeFolders(session: FtpSession, folder: string): Promise<FtpReply | undefined> {
  const missing: string[] = [];
  let path = folder;
  for (; path !== "" && !(await isFolder(session, path)); path = parentOf(path)) missing.unshift(path);
  let refused: FtpReply | undefined;
  for (const each of missing) {
    const reply = await session.ask(`MKD ${each}`, "folder", { path: each });
    if (reply.code >= 400) refused = reply;
  }
  if (missing.length === 0) return undefined;
  const look = await session.ask(`CWD ${folder}`, "folder", { path: folder });
  return look.code < 400 ? undefined : (refused ?? look);
}

/** `/a/b` → `/a`; of `/a` it is empty. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/**
 * The SHA-256 that the server computes, where it has a command for it: HASH (draft-bryan-ftp-hash) or the
 * older XSHA256.
 */
export async function serverSha256(session: FtpSession, path: string): Promise<string | undefined> {
  const offered = session.features.get("HASH");
  if (offered !== undefined && /SHA-256/i.test(offered)) {
    if (!/SHA-256\*/i.test(offered)) await session.ask("OPTS HASH SHA-256", "look", { path });
    const reply = await optional(session, "HASH", path);
    if (reply?.code === 213 && /SHA-256/i.test(reply.text)) return digestIn(reply);
  }
  if (!session.features.has("XSHA256")) return undefined;
  const reply = await optional(session, "XSHA256", path);
  return reply && reply.code < 300 ? digestIn(reply) : undefined;
}

function digestIn(reply: FtpReply): string | undefined {
  return /\b[0-9a-f]{64}\b/i.exec(reply.text)?.[0].toLowerCase();
}

/** Files up to this size are read back to be compared. */
const readBackMaxBytes = 8 * 1024 * 1024;

/** How a file of the same size as ours compares: by the server's hash, by reading it back, or not at all. */
export async function compareContent(
  session: FtpSession,
  path: string,
  size: number,
  sha256: string,
): Promise<{ same: boolean; by: "checksum" | "read-back" | "size" }> {
  const theirs = await serverSha256(session, path);
  if (theirs !== undefined) return { same: theirs === sha256, by: "checksum" };
  const read = size <= readBackMaxBytes ? await readBack(session, path) : undefined;
  return read ? { same: read.sha256 === sha256, by: "read-back" } : { same: true, by: "size" };
}
