import { mkdtemp, realpath, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import type { FtpHook } from "./hook";
import { FtpSession } from "./session";

export type { FtpHook, FtpInjection } from "./hook";
export type { FtpSession } from "./session";

export interface FtpTlsOptions {
  /** PEM. */
  key: string;
  /** PEM, with the intermediate certificates if there are any. */
  cert: string;
  /** `explicit`: AUTH TLS, which is then required before USER. `implicit`: TLS from the first byte. */
  mode: "explicit" | "implicit";
  /** Data connections must resume the control connection's TLS session, as vsftpd and ProFTPD ask. */
  requireSessionReuse?: boolean;
  maxVersion?: "TLSv1.2" | "TLSv1.3";
}

export interface FtpServerOptions {
  /** Default: a free one. */
  port?: number;
  /** Default: 127.0.0.1. */
  host?: string;
  user?: string;
  password?: string;
  /** An existing folder. Default: a temporary one, removed by `close`. */
  root?: string;
  tls?: FtpTlsOptions;
  hook?: FtpHook;
}

export interface FtpServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Where the files are on this machine's disk. */
  readonly root: string;
  readonly sessions: ReadonlySet<FtpSession>;
  /** Every command that came, in order: `STOR report.csv`. Passwords are left out. */
  readonly commands: readonly string[];
  /** May be changed at any time. */
  hook: FtpHook | undefined;
  /** Cuts every session. */
  close(): Promise<void>;
}

/** What the sessions need of their server. */
export interface FtpServerState extends FtpServer {
  readonly commands: string[];
  readonly sessions: Set<FtpSession>;
  readonly tls: FtpTlsOptions | undefined;
  readonly secureContext: SecureContext | undefined;
}

/**
 * A small FTP server for the demo and the tests: RFC 959 in passive mode, with RFC 2389 (FEAT), 2428
 * (EPSV), 3659 (MLSD, SIZE, REST) and 4217 (TLS). One user; real files below `root`.
 */
export async function startFtpServer(options: FtpServerOptions = {}): Promise<FtpServer> {
  const { host = "127.0.0.1", user = "demo", password = "demo", tls } = options;
  const ownRoot = options.root === undefined;
  const root = await realpath(options.root ?? (await mkdtemp(join(tmpdir(), "ftp-server-"))));
  const server = createServer();
  const port = await listen(server, options.port ?? 0, host);
  const state: FtpServerState = {
    host,
    port,
    user,
    password,
    root,
    tls,
    // One for all connections: it holds the ticket keys, without which no session can be resumed.
    secureContext: tls && createContext(tls),
    sessions: new Set(),
    commands: [],
    hook: options.hook,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([...state.sessions].map((session) => session.close()));
      await closed;
      if (ownRoot) await rm(root, { recursive: true, force: true });
    },
  };
  server.on("connection", (socket: Socket) => {
    const session = new FtpSession(state, socket);
    state.sessions.add(session);
    void session.closed.then(() => state.sessions.delete(session));
  });
  return state;
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function createContext({ key, cert, maxVersion = "TLSv1.3" }: FtpTlsOptions): SecureContext {
  return createSecureContext({ key, cert, maxVersion, sessionIdContext: "ftp" });
}
