import { isIPv6 } from "node:net";
import { SessionPool, type UseOptions } from "../session-pool";
import { openSftpSession } from "./login";
import type { SftpConnectionOptions } from "./options";
import type { SftpSession, SftpSessionContext } from "./session";

/** One SFTP server and one user, with a pool of logged-in sessions that several writers may share. */
export interface SftpConnection {
  /** For sentences: `the SFTP server sftp.example.com:22`. */
  readonly description: string;
  /** `sftp://host[:port]/root/path`, without the user; `~` stands for the user's own folder. */
  locate(path: string): string;
  /**
   * Runs `work` on a session of its own. A session from the pool that turns out to be closed is replaced
   * once without a word. After a loss or an abort the session is dropped, else it goes (back) to the pool.
   * Not a part of the published types: they must not need those of a package that only some have.
   * @internal
   * @throws DeliveryError
   */
  use<T>(work: (session: SftpSession) => Promise<T>, options: UseOptions): Promise<T>;
  /** Closes the idle sessions; those in use end with their work. */
  close(): Promise<void>;
}

/** Connects on first use. */
export function createSftpConnection(options: SftpConnectionOptions): SftpConnection {
  const { host, port, root, user, password = "", passphrase = "", idleTimeoutMs } = options;
  const address = isIPv6(host) ? `[${host}]` : host;
  const description = `the SFTP server ${address}:${port}`;
  const base = `sftp://${address}${port === 22 ? "" : `:${port}`}/${root.startsWith("/") ? "" : "~/"}`;
  const context: SftpSessionContext = {
    where: description,
    secrets: [password, passphrase, user],
    facts: { unknown: new Set(), otherKeyTypes: new Set() },
    idleTimeoutMs,
  };
  const pool = new SessionPool<SftpSession>(options.maxSessions, (signal) =>
    openSftpSession(options, context, signal),
  );
  return {
    description,
    locate: (path) => base + [...root.split("/"), path].filter(Boolean).join("/"),
    use: (work, useOptions) => pool.use(work, useOptions),
    async close() {
      pool.close();
    },
  };
}
