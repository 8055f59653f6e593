import { lstat, realpath } from "node:fs/promises";
import { dirname, join, posix, sep } from "node:path";
import { codeOf } from "../../../src/lib/errors";
import type { FtpSession } from "./session";

/** The client's path as an absolute one below the virtual root: `..` stops at the top. */
export function virtualPath(session: FtpSession, argument: string): string {
  return posix.resolve("/", session.folder, argument || ".");
}

/**
 * Where the client's path is on this machine's disk.
 * @throws Error with the code EACCES when a symbolic link leads out of the root
 */
export async function diskPath(session: FtpSession, argument: string): Promise<string> {
  const { root } = session.server;
  const path = join(root, virtualPath(session, argument));
  if (!isWithin(await realOf(path), root)) {
    throw Object.assign(new Error("The path leads out of the root."), { code: "EACCES" });
  }
  return path;
}

function isWithin(path: string, root: string): boolean {
  return path === root || path.startsWith(root === sep ? sep : root + sep);
}

/** The path without symbolic links; of a path that does not exist yet, as far as it exists. */
async function realOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  if (await isLink(path)) return sep;
  return join(await realOf(dirname(path)), "new");
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (stats) => stats.isSymbolicLink(),
    () => false,
  );
}

/** In a reply, a quote in a path is doubled (RFC 959, appendix II). */
export function quoted(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}

/**
 * The reply to a file operation that failed.
 * @param refused the reply where the name is what is wrong: 550, or 553 for STOR and RNTO
 */
export function failureReply(error: unknown, refused: "550" | "553" = "550"): string {
  const code = codeOf(error);
  switch (code) {
    case "ENOENT":
      return "550 No such file or folder.";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "550 Permission denied.";
    case "EEXIST":
      return "550 It exists already.";
    case "ENOTEMPTY":
      return "550 The folder is not empty.";
    case "ENOSPC":
    case "EDQUOT":
      return "452 The disk is full.";
    case "EISDIR":
    case "ENOTDIR":
    case "ENAMETOOLONG":
    case "ERR_INVALID_ARG_VALUE":
      return `${refused} That name is not possible (${code}).`;
    default:
      return `451 The server's disk failed (${code ?? error}).`;
  }
}
