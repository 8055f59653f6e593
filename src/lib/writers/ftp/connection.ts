import { isIPv6 } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { SessionPool, type UseOptions } from "../session-pool";
import { openFtpSession, tlsOptions } from "./login";
import type { FtpConnectionOptions } from "./options";
import type { FtpSession, FtpSessionContext } from "./session";

/** One FTP server and one user, with a pool of logged-in sessions that several writers may share. */
export interface FtpConnection {
  /** For sentences: `the FTP server ftp.example.com:21`. */
  readonly description: string;
  /** `ftp://host[:port]/root/path`, without the user. */
  locate(path: string): string;
  /**
   * Runs `work` on a session of its own. A session from the pool that turns out to be closed is replaced
   * once without a word. After a loss or an abort the session is dropped, else it goes (back) to the pool.
   * @throws DeliveryError
   */
  use<T>(work: (session: FtpSession) => Promise<T>, options: UseOptions): Promise<T>;
  /** Closes the idle sessions; those in use end with their work. */
  close(): Promise<void>;
}

/** Connects on first use. */
export function createFtpConnection(options: FtpConnectionOptions): FtpConnection {
  const { host, port, root, security } = options;
  const address = isIPv6(host) ? `[${host}]` : host;
  const description = `the FTP server ${address}:${port}`;
  const shownPort = port === (security === "implicit" ? 990 : 21) ? "" : `:${port}`;
  const pool = new SessionPool(options.maxSessions, sessionOpener(options, description));
  return {
    description,
    locate: (path) => `ftp://${address}${shownPort}/${[...root.split("/"), path].filter(Boolean).join("/")}`,
    use: (work, options) => pool.use(work, options),
    async close() {
      pool.close();
    },
  };
}

function sessionOpener(options: FtpConnectionOptions, where: string) {
  const context: FtpSessionContext = {
    where,
    secrets: [options.password, options.user],
    facts: { unknown: new Set(), swept: new Map() },
    passiveAddress: options.passiveAddress,
    connectTimeoutMs: options.connectTimeoutMs,
    idleTimeoutMs: options.idleTimeoutMs,
  };
  let tls: ConnectionOptions | undefined;
  return (signal: AbortSignal): Promise<FtpSession> => {
    tls ??= tlsOptions(options);
    return openFtpSession(options, context, tls, signal);
  };
}
