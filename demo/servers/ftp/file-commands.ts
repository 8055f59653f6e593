import { mkdir, rename, rmdir, stat, unlink } from "node:fs/promises";
import { factsLine, timeValue } from "./listing";
import { diskPath, failureReply, quoted, virtualPath } from "./paths";
import type { FtpCommand, FtpSession } from "./session";

/** Folders and names: RFC 959 §4.1.3, RFC 3659. */
export const fileCommands: Readonly<Record<string, FtpCommand>> = {
  PWD: (session) => `257 ${quoted(session.folder)}`,

  CWD: (session, argument) => changeFolder(session, argument),
  CDUP: (session) => changeFolder(session, ".."),

  MKD: (session, argument) =>
    attempt(async () => {
      await mkdir(await diskPath(session, argument));
      return `257 ${quoted(virtualPath(session, argument))} created.`;
    }),

  RMD: (session, argument) =>
    attempt(async () => {
      await rmdir(await diskPath(session, argument));
      return "250 Removed.";
    }),

  DELE: (session, argument) =>
    attempt(async () => {
      await unlink(await diskPath(session, argument));
      return "250 Deleted.";
    }),

  RNFR: (session, argument) =>
    attempt(async () => {
      const path = await diskPath(session, argument);
      await stat(path);
      session.renameFrom = path;
      return "350 And the new name?";
    }),

  async RNTO(session, argument) {
    const from = session.renameFrom;
    session.renameFrom = undefined;
    if (from === undefined) return "503 Send RNFR first.";
    try {
      await rename(from, await diskPath(session, argument));
      return "250 Renamed.";
    } catch (error) {
      const reply = failureReply(error, "553");
      // RFC 959 §5.4 knows no 550 here.
      return reply.startsWith("550") ? reply.replace("550", "553") : reply;
    }
  },

  SIZE: (session, argument) =>
    attempt(async () => {
      const stats = await stat(await diskPath(session, argument));
      return stats.isFile() ? `213 ${stats.size}` : "550 It is not a file.";
    }),

  MDTM: (session, argument) =>
    attempt(async () => {
      const stats = await stat(await diskPath(session, argument));
      return stats.isFile() ? `213 ${timeValue(stats.mtime)}` : "550 It is not a file.";
    }),

  MLST: (session, argument) =>
    attempt(async () => {
      const path = virtualPath(session, argument);
      const line = factsLine(path, await stat(await diskPath(session, argument)));
      return `250-It is:\r\n ${line}\r\n250 End`;
    }),
};

async function changeFolder(session: FtpSession, argument: string): Promise<string> {
  return attempt(async () => {
    const stats = await stat(await diskPath(session, argument));
    if (!stats.isDirectory()) return "550 It is not a folder.";
    session.folder = virtualPath(session, argument);
    return "250 Done.";
  });
}

async function attempt(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    return failureReply(error);
  }
}
