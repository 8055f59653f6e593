import { isIPv6, Socket, type SocketConstructorOpts } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { classifyCommonError, DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import type { FtpReply } from "./errors";
import type { FtpSession } from "./session";

/** How much may wait in our own process for the network: enough to read on while it sends. */
const bufferBytes = 512 * 1024;

interface Endpoint {
  host: string;
  port: number;
}

/**
 * Opens a data connection in passive mode: EPSV (RFC 2428), or PASV (RFC 959) where that fails. With TLS
 * it resumes the control connection's session, and its handshake goes on when the server takes the
 * command: wait for `secured`. Its errors show in `errored`; destroy it when done.
 * @throws DeliveryError
 */
export async function openDataConnection(session: FtpSession): Promise<Socket> {
  const { facts } = session.context;
  const ways = facts.passive ? [facts.passive] : (["EPSV", "PASV"] as const);
  let failure: unknown;
  for (const way of ways) {
    const reply = await session.ask(way, "passive");
    try {
      const endpoint = way === "EPSV" ? extendedEndpoint(session, reply) : passiveEndpoint(session, reply);
      const socket = await connectTo(session, endpoint);
      facts.passive = way;
      return secure(session, socket);
    } catch (error) {
      // A server or a firewall may know only one of the two, and need not say so properly.
      failure = error;
    }
  }
  session.doubtful = true;
  throw failure;
}

/** Waits for the TLS handshake: ending a connection earlier would break it. */
export function secured(socket: Socket): Promise<void> {
  if (
    !("secureConnecting" in socket) ||
    !(socket as TLSSocket & { secureConnecting: boolean }).secureConnecting
  ) {
    return Promise.resolve();
  }
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("close", () => reject(socket.errored ?? new Error("The data connection was closed")));
  });
}

function extendedEndpoint(session: FtpSession, reply: FtpReply): Endpoint {
  // Some servers write "!" for "|".
  const port = reply.code === 229 ? Number(/[|!]{3}(\d{1,5})[|!]/.exec(reply.text)?.[1]) : 0;
  if (!port || port > 65_535) throw session.refusal(reply, "passive");
  return { host: controlHost(session), port };
}

function passiveEndpoint(session: FtpSession, reply: FtpReply): Endpoint {
  const numbers = /(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})/.exec(reply.text);
  if (reply.code !== 227 || !numbers) throw session.refusal(reply, "passive");
  const announced = numbers.slice(1, 5).join(".");
  const port = Number(numbers[5]) * 256 + Number(numbers[6]);
  const host = controlHost(session);
  if (announced === host || (isLoopback(announced) && isLoopback(host))) return { host, port };
  if (session.context.passiveAddress === "announced") {
    // A private address seen from outside is a server behind NAT that does not know its own.
    return { host: isPrivate(announced) && !isPrivate(host) ? host : announced, port };
  }
  session.doubtful = true;
  throw new DeliveryError(
    "invalid",
    `${capitalised(session.context.where)} sends data connections to another host, ${announced}. ` +
      "Nothing was sent there. If that is right, allow the announced passive address in the connection.",
    { code: String(reply.code) },
  );
}

function controlHost(session: FtpSession): string {
  // An IPv4 address on a socket for both families is written as IPv6.
  return (session.ftp.socket.remoteAddress ?? "").replace(/^::ffff:/i, "");
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

function isPrivate(address: string): boolean {
  return isLoopback(address) || /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address);
}

function connectTo(session: FtpSession, { host, port }: Endpoint): Promise<Socket> {
  const { where, connectTimeoutMs } = session.context;
  const socket = new Socket({ writableHighWaterMark: bufferBytes } as SocketConstructorOpts);
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: Error) => {
      socket.destroy();
      const address = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
      const local = classifyCommonError(cause, where);
      if (local?.kind === "local") return reject(local);
      const sentence = `Cannot open a data connection to ${where} at ${address}: ${reason}. Check the server's passive ports and the firewall.`;
      reject(new DeliveryError("unavailable", sentence, { code: local?.code ?? "ETIMEDOUT", cause }));
    };
    const timer = setTimeout(() => fail("no answer in time"), connectTimeoutMs);
    const onError = (error: Error) => {
      clearTimeout(timer);
      fail(error.message, error);
    };
    socket.once("error", onError);
    socket.connect({ host, port, noDelay: true }, () => {
      clearTimeout(timer);
      socket.on("error", ignore);
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

function secure({ ftp }: FtpSession, socket: Socket): Socket {
  if (!("getSession" in ftp.socket)) return socket;
  const session = ftp.tlsSessionStore ?? ftp.socket.getSession();
  const options: ConnectionOptions & { highWaterMark: number } = {
    ...ftp.tlsOptions,
    socket,
    highWaterMark: bufferBytes,
    ...(session && { session }),
  };
  const tlsSocket = connectTls(options);
  tlsSocket.on("error", ignore);
  // TLS 1.3 tickets serve once: the next data connection presents the one that this one is given.
  tlsSocket.on("session", (ticket) => {
    ftp.tlsSessionStore = ticket;
  });
  return tlsSocket;
}

/**
 * Fails what waits for the network when no byte moves for the session's idle time. Time in which the
 * source has nothing to give does not count: a source has its own limit.
 */
export function watch(session: FtpSession, socket: Socket) {
  let waits = false;
  socket.setTimeout(session.context.idleTimeoutMs);
  socket.on("timeout", () => {
    if (waits) socket.destroy(new Error("Timeout: the data connection stalled"));
  });
  return {
    async waiting(work: Promise<void>): Promise<void> {
      waits = true;
      await work;
      waits = false;
    },
    stop: () => socket.setTimeout(0),
  };
}

/** What went wrong is read from `errored`, by whoever waits at that moment. */
function ignore(): void {}
