import { isIPv6 } from "node:net";
import type { DeliveryError } from "../../errors";
import { interrupted, openFtpSession, tlsOptions } from "./login";
import type { FtpConnectionOptions } from "./options";
import type { FtpSession, FtpSessionContext } from "./session";

export interface UseOptions {
  signal: AbortSignal;
  /** A new session, before all who wait: for looking at, and cleaning up, what a lost one left behind. */
  fresh?: boolean;
}

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

interface IdleSession {
  session: FtpSession;
  since: number;
  timer: NodeJS.Timeout;
}

interface Waiter {
  wake: () => void;
}

const keepIdleMs = 30_000;
/** An idle session is asked whether it lives only after this long: a question costs a round trip. */
const trustIdleMs = 3_000;
const livenessTimeoutMs = 5_000;

/** Connects on first use. */
export function createFtpConnection(options: FtpConnectionOptions): FtpConnection {
  const { host, port, root, security } = options;
  const address = isIPv6(host) ? `[${host}]` : host;
  const description = `the FTP server ${address}:${port}`;
  const context: FtpSessionContext = {
    where: description,
    secrets: [options.password, options.user],
    facts: { unknown: new Set() },
    passiveAddress: options.passiveAddress,
    connectTimeoutMs: options.connectTimeoutMs,
    idleTimeoutMs: options.idleTimeoutMs,
  };
  const shownPort = port === (security === "implicit" ? 990 : 21) ? "" : `:${port}`;
  const idle: IdleSession[] = [];
  const waiters: Waiter[] = [];
  let open = 0;
  let closed = false;
  let tls: ReturnType<typeof tlsOptions> | undefined;

  function drop(session: FtpSession, reason?: DeliveryError): void {
    session.close(reason);
    open -= 1;
    waiters.shift()?.wake();
  }

  function takeIdle(): IdleSession | undefined {
    const taken = idle.pop();
    if (taken) clearTimeout(taken.timer);
    return taken;
  }

  function keep(session: FtpSession): void {
    if (closed || !session.usable) {
      drop(session);
      return;
    }
    const entry: IdleSession = {
      session,
      since: performance.now(),
      timer: setTimeout(() => {
        idle.splice(idle.indexOf(entry), 1);
        drop(session);
      }, keepIdleMs).unref(),
    };
    session.idle = true;
    idle.push(entry);
    waiters.shift()?.wake();
  }

  async function pooled(): Promise<FtpSession | undefined> {
    for (let entry = takeIdle(); entry; entry = takeIdle()) {
      const { session, since } = entry;
      session.idle = false;
      if (session.usable && (performance.now() - since < trustIdleMs || (await lives(session)))) {
        session.replies = 0;
        return session;
      }
      drop(session);
    }
    return undefined;
  }

  async function openNew(signal: AbortSignal): Promise<FtpSession> {
    open += 1;
    try {
      tls ??= tlsOptions(options);
      const session = await openFtpSession(options, context, tls, signal);
      session.replies = 1;
      return session;
    } catch (error) {
      open -= 1;
      waiters.shift()?.wake();
      throw error;
    }
  }

  async function take({ signal, fresh = false }: UseOptions): Promise<FtpSession> {
    for (;;) {
      if (signal.aborted) {
        // It may have been woken for a place that it no longer wants.
        waiters.shift()?.wake();
        throw interrupted();
      }
      const session = fresh ? undefined : await pooled();
      if (session) return session;
      if (fresh && open >= options.maxSessions) {
        const spare = takeIdle();
        if (spare) drop(spare.session);
      }
      if (open < options.maxSessions) return openNew(signal);
      await turn(waiters, signal, fresh);
    }
  }

  return {
    description,
    locate: (path) => `ftp://${address}${shownPort}/${[...root.split("/"), path].filter(Boolean).join("/")}`,
    async use(work, use) {
      let session = await take(use);
      for (;;) {
        const current = session;
        const onAbort = () => current.close(interrupted());
        use.signal.addEventListener("abort", onAbort, { once: true });
        try {
          if (use.signal.aborted) throw interrupted();
          const result = await work(current);
          keep(current);
          return result;
        } catch (error) {
          const stale = current.doubtful && current.replies === 0 && !use.signal.aborted;
          keep(current);
          if (!stale) throw error;
          session = await take({ ...use, fresh: true });
        } finally {
          use.signal.removeEventListener("abort", onAbort);
        }
      }
    },
    async close() {
      closed = true;
      for (let entry = takeIdle(); entry; entry = takeIdle()) drop(entry.session);
    },
  };
}

async function lives(session: FtpSession): Promise<boolean> {
  const timer = setTimeout(() => session.close(), livenessTimeoutMs);
  try {
    return (await session.ask("NOOP", "connect")).code < 400;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until a session may be free. The first in line is woken when one is; it looks for itself. */
function turn(waiters: Waiter[], signal: AbortSignal, urgent: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      waiters.splice(waiters.indexOf(waiter), 1);
      reject(interrupted());
    };
    const waiter: Waiter = {
      wake: () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (urgent) waiters.unshift(waiter);
    else waiters.push(waiter);
  });
}
