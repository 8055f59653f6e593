import type { FtpReply } from "./errors";
import type { FtpSession, PlaceDetails } from "./session";

/** A file's size in bytes; or that there is no such file; or that the server does not tell. */
export type FileState = number | "absent" | "unknown";

export interface RemoteFile {
  path: string;
  /** The name for sentences: that of the target, where `path` is a temporary one. */
  shown: string;
}

/** The server does not know the command: RFC 959 §4.2.1, and 202 for one that it need not do. */
const notKnown = new Set([202, 500, 502, 504]);

/**
 * Asks with SIZE or MLST (RFC 3659). A folder counts as absent.
 * @param shown the name for sentences
 */
export async function fileState(session: FtpSession, path: string, shown = path): Promise<FileState> {
  const size = await optional(session, "SIZE", path, { path: shown });
  const told = size?.code === 213 ? /^213 +(\d+)/.exec(size.text)?.[1] : undefined;
  if (told !== undefined) return Number(told);
  if (size?.code === 550) return "absent";
  const facts = session.features.has("MLST")
    ? await optional(session, "MLST", path, { path: shown })
    : undefined;
  if (facts?.code === 550) return "absent";
  const found = facts?.code === 250 ? /;?size=(\d+);/i.exec(facts.text)?.[1] : undefined;
  return found === undefined ? "unknown" : Number(found);
}

/** undefined when the server does not know the command; then it is not asked again. */
export async function optional(
  session: FtpSession,
  command: string,
  path: string,
  details: PlaceDetails,
): Promise<FtpReply | undefined> {
  const { unknown } = session.context.facts;
  if (unknown.has(command)) return undefined;
  const reply = await session.ask(`${command} ${path}`, "look", details);
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
