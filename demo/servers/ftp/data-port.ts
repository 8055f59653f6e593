import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { FtpServerState } from "./index";

const connectTimeoutMs = 10_000;

/** A port opened by PASV or EPSV, good for one data connection. */
export interface DataPort {
  readonly port: number;
  /** Waits for the client to connect. Rejects after 10 s, and when the port is closed. */
  connection(): Promise<Socket>;
  /** Closes the port and its connection. */
  close(): void;
  /** Resolves on `close`. */
  readonly closed: Promise<void>;
}

export async function openDataPort(host: string): Promise<DataPort> {
  // Paused, so that no byte is read before it is known whether the connection uses TLS.
  const server = createServer({ pauseOnConnect: true });
  const closing = new AbortController();
  let socket: Socket | undefined;
  server.on("connection", (candidate: Socket) => {
    candidate.on("error", () => {});
    if (socket) return candidate.destroy();
    socket = candidate;
    server.close();
    server.emit("accepted");
  });
  server.listen({ port: 0, host: host.replace(/^::ffff:/, "") });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const closed = new Promise<void>((resolve) => {
    closing.signal.addEventListener("abort", () => resolve());
  });
  return {
    port,
    closed,
    async connection() {
      if (!socket) {
        const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(connectTimeoutMs)]);
        await once(server, "accepted", { signal });
      }
      if (!socket || closing.signal.aborted) throw new Error("The data port is closed.");
      return socket;
    },
    close() {
      closing.abort();
      if (server.listening) server.close();
      socket?.destroy();
    },
  };
}

/** Does the server's half of a TLS handshake. Rejects when the client ends it or the signal is aborted. */
export async function secured(
  socket: Socket,
  { secureContext }: FtpServerState,
  signal: AbortSignal,
): Promise<TLSSocket> {
  if (!secureContext) throw new Error("This server has no certificate.");
  const secure = new TLSSocket(socket, { isServer: true, secureContext });
  secure.on("error", () => {});
  // A client that is gone during the handshake emits no error, only close.
  const gone = new AbortController();
  secure.once("close", () => gone.abort());
  await once(secure, "secure", { signal: AbortSignal.any([signal, gone.signal]) });
  return secure;
}
