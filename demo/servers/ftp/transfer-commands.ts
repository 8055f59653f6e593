import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { isIPv4, type Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { TLSSocket } from "node:tls";
import { codeOf } from "../../../src/lib/errors";
import { openDataPort, secured } from "./data-port";
import { type ListingStyle, listingLines } from "./listing";
import { diskPath, failureReply } from "./paths";
import type { FtpCommand, FtpSession } from "./session";

const lingerMs = 5_000;

/** Data connections and what goes over them: RFC 959 §4.1.2–3, 2428, 3659, 4217. */
export const transferCommands: Readonly<Record<string, FtpCommand>> = {
  async PASV(session) {
    const address = session.localAddress.replace(/^::ffff:/, "");
    if (!isIPv4(address)) return "425 Use EPSV: this connection is over IPv6.";
    const port = await openPort(session);
    return `227 Entering Passive Mode (${address.replaceAll(".", ",")},${port >> 8},${port & 255}).`;
  },

  async EPSV(session, argument) {
    if (/^ALL$/i.test(argument)) return "200 Done.";
    return `229 Entering Extended Passive Mode (|||${await openPort(session)}|)`;
  },

  REST(session, argument) {
    if (!/^\d{1,15}$/.test(argument)) return "501 REST takes a number of bytes.";
    session.restartAt = Number(argument);
    return `350 The next transfer starts at ${session.restartAt}.`;
  },

  ABOR(session) {
    closeData(session);
    return "226 Aborted.";
  },

  STOR: (session, argument) => store(session, argument, session.restartAt > 0 ? "r+" : "w"),
  APPE: (session, argument) => store(session, argument, "a"),

  async RETR(session, argument) {
    const start = takeRestart(session);
    let path: string;
    try {
      path = await diskPath(session, argument);
      if (!(await stat(path)).isFile()) return refuse(session, "550 It is not a file.");
    } catch (error) {
      return refuse(session, failureReply(error));
    }
    return transfer(session, (socket) => pipeline(createReadStream(path, { start }), socket));
  },

  LIST: (session, argument) => list(session, argument.replace(/^(-\w+ ?)+/, ""), "LIST"),
  NLST: (session, argument) => list(session, argument.replace(/^(-\w+ ?)+/, ""), "NLST"),
  MLSD: (session, argument) => list(session, argument, "MLSD"),
};

async function openPort(session: FtpSession): Promise<number> {
  closeData(session);
  session.dataPort = await openDataPort(session.localAddress);
  return session.dataPort.port;
}

function closeData(session: FtpSession): void {
  session.dataPort?.close();
  session.dataPort = undefined;
}

function takeRestart(session: FtpSession): number {
  const start = session.restartAt;
  session.restartAt = 0;
  return start;
}

/** Refuses a transfer; a data connection that is open already is of no more use. */
function refuse(session: FtpSession, reply: string): string {
  closeData(session);
  return reply;
}

async function list(session: FtpSession, argument: string, style: ListingStyle): Promise<string> {
  let lines: string[];
  try {
    lines = await listingLines(await diskPath(session, argument), style);
  } catch (error) {
    return refuse(session, failureReply(error));
  }
  const text = lines.map((line) => `${line}\r\n`);
  return transfer(session, (socket) => pipeline(Readable.from(text), socket));
}

async function store(session: FtpSession, argument: string, flags: "w" | "r+" | "a"): Promise<string> {
  const start = takeRestart(session);
  let file: FileHandle;
  try {
    file = await open(await diskPath(session, argument), flags);
  } catch (error) {
    return refuse(session, failureReply(error, "553"));
  }
  try {
    return await transfer(session, (socket) => receive(session, socket, file, flags === "a" ? null : start));
  } finally {
    await file.close();
  }
}

/** Writes what comes, or what the injected fault lets through. */
async function receive(session: FtpSession, socket: Socket, file: FileHandle, start: number | null) {
  const { keepBytes = Number.POSITIVE_INFINITY, ...fault } = session.injection;
  const faultAt = fault.closeDataAfterBytes ?? fault.dropAfterBytes ?? fault.stallAfterBytes;
  const limit = Math.min(keepBytes, faultAt ?? Number.POSITIVE_INFINITY);
  let bytes = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const kept = chunk.subarray(0, Math.max(0, limit - bytes));
    await file.write(kept, 0, kept.length, start === null ? null : start + bytes);
    bytes += chunk.length;
    if (faultAt === undefined || bytes < faultAt) continue;
    if (fault.stallAfterBytes !== undefined) await session.dataPort?.closed;
    if (fault.dropAfterBytes !== undefined) session.cut();
    throw new Error("An injected fault ended the transfer.");
  }
}

async function transfer(session: FtpSession, work: (socket: Socket) => Promise<void>): Promise<string> {
  const { dataPort, server } = session;
  if (!dataPort) return "425 Use PASV or EPSV first.";
  if (server.tls && !session.protectData) {
    return refuse(session, "522 Data connections must use TLS: send PROT P.");
  }
  await session.reply("150 Here we go.");
  let socket: Socket;
  try {
    const plain = await dataPort.connection();
    socket = session.protectData ? await secured(plain, server, session.signal) : plain;
  } catch (error) {
    return refuse(session, `425 No data connection: ${error instanceof Error ? error.message : error}`);
  }
  if (socket instanceof TLSSocket && server.tls?.requireSessionReuse && !socket.isSessionReused()) {
    return refuse(session, "522 The data connection must resume the TLS session of the control connection.");
  }
  try {
    await work(socket);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse(session, codeOf(error) === "ENOSPC" ? failureReply(error) : `426 Cut short: ${reason}`);
  }
  release(session, socket);
  return "226 Done.";
}

/** Lets a data connection end in its own time, but no longer than the session. */
function release(session: FtpSession, socket: Socket): void {
  const destroy = () => socket.destroy();
  session.dataPort = undefined;
  if (socket.closed) return;
  session.signal.addEventListener("abort", destroy, { once: true });
  socket.once("close", () => session.signal.removeEventListener("abort", destroy));
  socket.setTimeout(lingerMs, destroy).resume();
  socket.end();
}
