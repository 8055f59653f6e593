import { createHash } from "node:crypto";
import { openDataConnection, watch } from "./data-connection";
import type { FtpSession } from "./session";

/**
 * Runs a command by which the server sends data, such as RETR, and hands on what comes.
 * @param shown the name for sentences
 * @returns whether the server did it
 * @throws DeliveryError when it began and failed, or what `onChunk` throws
 */
export async function retrieve(
  session: FtpSession,
  command: string,
  shown: string,
  onChunk: (chunk: Uint8Array) => void,
): Promise<boolean> {
  const socket = await openDataConnection(session);
  const { waiting, stop } = watch(session, socket);
  const receive = async () => {
    for await (const chunk of socket) onChunk(chunk);
  };
  try {
    const reply = await session.transfer(command, () => waiting(receive()), "read", { path: shown });
    return reply.code < 400;
  } finally {
    stop();
    socket.destroy();
  }
}

/**
 * The SHA-256 of a file on the server, found by reading it back; undefined when the server does not let us.
 * @throws DeliveryError
 */
export async function readBack(
  session: FtpSession,
  path: string,
  shown: string,
): Promise<{ sha256: string } | undefined> {
  const hash = createHash("sha256");
  const done = await retrieve(session, `RETR ${path}`, shown, (chunk) => hash.update(chunk));
  return done ? { sha256: hash.digest("hex") } : undefined;
}
