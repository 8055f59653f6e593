import { createHash } from "node:crypto";
import type { Stats } from "ssh2";
import { type SftpStatus, sftpStatus } from "./errors";
import type { SftpSession } from "./session";

/** A file's size in bytes; or what else is, or is not, under a name. */
export type FileState = number | "absent" | "folder" | "other" | "unknown";

/** Symbolic links are not followed: they are `other`. */
export async function fileState(session: SftpSession, path: string): Promise<FileState> {
  const answer = await session.ask<Stats>((sftp, done) => sftp.lstat(path, done), "look", { path });
  if (answer.status) return isMissing(answer.status) ? "absent" : "unknown";
  const stats = answer.value;
  if (stats.isDirectory()) return "folder";
  // Servers need not tell what kind of file it is: draft-ietf-secsh-filexfer-02 §5.
  if (stats.mode !== undefined && !stats.isFile()) return "other";
  return stats.size ?? "unknown";
}

export function isMissing({ code }: SftpStatus): boolean {
  return code === sftpStatus.noSuchFile || code === 10;
}

/** Here symbolic links are followed. */
async function kindOf(session: SftpSession, path: string): Promise<"folder" | "file" | "absent"> {
  const answer = await session.ask<Stats>((sftp, done) => sftp.stat(path || "/", done), "folder", { path });
  if (answer.status) return "absent";
  return answer.value.isDirectory() ? "folder" : "file";
}

export async function isFolder(session: SftpSession, path: string): Promise<boolean> {
  return (await kindOf(session, path)) === "folder";
}

/**
 * Makes a folder and those above it. A refusal may mean that another delivery has made it just now: only
 * the look at the end tells.
 * @returns the server's reason when the folder is not there now
 */
export async function makeFolders(session: SftpSession, folder: string): Promise<SftpStatus | undefined> {
  const missing: string[] = [];
  for (let path = folder; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) {
    const kind = await kindOf(session, path);
    if (kind === "folder") break;
    if (kind === "file") return { code: 19, text: `${path} is a file.` };
    missing.unshift(path);
  }
  let refused: SftpStatus | undefined;
  for (const path of missing) {
    const answer = await session.ask<void>((sftp, done) => sftp.mkdir(path, done), "folder", { path });
    refused = answer.status ?? refused;
  }
  if (missing.length === 0 || (await isFolder(session, folder))) return undefined;
  return refused ?? { code: sftpStatus.noSuchFile, text: "The folder is not there." };
}

export async function remove(session: SftpSession, path: string): Promise<SftpStatus | undefined> {
  return (await session.ask<void>((sftp, done) => sftp.unlink(path, done), "remove", { path })).status;
}

/** Fails when there is a file, on servers that keep to the draft (§6.5). */
export async function rename(
  session: SftpSession,
  from: string,
  to: string,
): Promise<SftpStatus | undefined> {
  return (await session.ask<void>((sftp, done) => sftp.rename(from, to, done), "rename", { path: to }))
    .status;
}

/**
 * Replaces a file in one step: `posix-rename@openssh.com` (OpenSSH's PROTOCOL, §4.3).
 * @returns `unsupported` when the server has no such thing, and its refusal
 */
export async function replace(
  session: SftpSession,
  from: string,
  to: string,
): Promise<SftpStatus | "unsupported" | undefined> {
  const { unknown } = session.context.facts;
  if (unknown.has("posix-rename")) return "unsupported";
  const { status } = await session.ask<void>(
    (sftp, done) => sftp.ext_openssh_rename(from, to, done),
    "rename",
    {
      path: to,
    },
  );
  if (status?.code !== sftpStatus.unsupported) return status;
  unknown.add("posix-rename");
  return "unsupported";
}

const readBytes = 32 * 1024;
const readsAtOnce = 32;

/**
 * Reads a part of a file; `onBytes` gets it in order.
 * @returns the server's reason when it does not let us
 */
export async function readFile(
  session: SftpSession,
  path: string,
  part: { start: number; end: number },
  onBytes: (bytes: Uint8Array) => void,
): Promise<SftpStatus | undefined> {
  const opened = await session.ask<Buffer>((sftp, done) => sftp.open(path, "r", done), "read", { path });
  if (opened.status) return opened.status;
  const handle = opened.value;
  const ask = (position: number, length: number) =>
    session.ask<Buffer>(
      (sftp, done) => {
        const buffer = Buffer.allocUnsafe(length);
        sftp.read(handle, buffer, 0, length, position, (error, count) => {
          // A short read is allowed only at the end of the file, which then is not as long as was thought.
          done(error, buffer.subarray(0, count));
        });
      },
      "read",
      { path },
    );
  let refused: SftpStatus | undefined;
  for (let start = part.start; start < part.end && !refused; start += readBytes * readsAtOnce) {
    const starts = Array.from({ length: readsAtOnce }, (_, n) => start + n * readBytes);
    const answers = starts
      .filter((position) => position < part.end)
      .map((position) => ask(position, Math.min(readBytes, part.end - position)));
    for (const answer of await Promise.all(answers)) {
      refused ??= answer.status;
      if (!answer.status) onBytes(answer.value);
    }
  }
  await session.ask<void>((sftp, done) => sftp.close(handle, done), "read", { path });
  return refused;
}

/** The SHA-256 of a file, found by reading it; undefined when the server does not let us. */
export async function readBack(
  session: SftpSession,
  path: string,
  size: number,
): Promise<string | undefined> {
  const hash = createHash("sha256");
  const refused = await readFile(session, path, { start: 0, end: size }, (bytes) => hash.update(bytes));
  return refused ? undefined : hash.digest("hex");
}
