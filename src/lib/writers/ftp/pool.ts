import { interrupted } from "./login";
import type { FtpSession } from "./session";

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

/** Bounds how many sessions are open at once, and keeps those that nobody uses for a while. */
export class SessionPool {
  readonly #maxSessions: number;
  readonly #openSession: (signal: AbortSignal) => Promise<FtpSession>;
  readonly #idle: IdleSession[] = [];
  readonly #waiters: Waiter[] = [];
  #open = 0;
  #closed = false;

  constructor(maxSessions: number, openSession: (signal: AbortSignal) => Promise<FtpSession>) {
    this.#maxSessions = maxSessions;
    this.#openSession = openSession;
  }

  /**
   * A session that nobody else uses; `replies` is 0 for one that has been idle. Give it back with `keep`.
   * @param fresh a new one, before all who wait
   * @throws DeliveryError
   */
  async take(signal: AbortSignal, fresh: boolean): Promise<FtpSession> {
    for (;;) {
      if (signal.aborted) {
        // It may have been woken for a place that it no longer wants.
        this.#wakeNext();
        throw interrupted();
      }
      const session = fresh ? undefined : await this.#pooled();
      if (session) return session;
      if (fresh && this.#open >= this.#maxSessions) {
        const spare = this.#takeIdle();
        if (spare) this.#drop(spare.session);
      }
      if (this.#open < this.#maxSessions) return this.#openNew(signal);
      await this.#turn(signal, fresh);
    }
  }

  /** Takes a session back, and drops it when it is in doubt. */
  keep(session: FtpSession): void {
    if (this.#closed || !session.usable) {
      this.#drop(session);
      return;
    }
    const entry: IdleSession = {
      session,
      since: performance.now(),
      timer: setTimeout(() => {
        this.#idle.splice(this.#idle.indexOf(entry), 1);
        this.#drop(session);
      }, keepIdleMs).unref(),
    };
    session.idle = true;
    this.#idle.push(entry);
    this.#wakeNext();
  }

  /** Closes what is idle now, and later what is given back. */
  close(): void {
    this.#closed = true;
    for (let entry = this.#takeIdle(); entry; entry = this.#takeIdle()) this.#drop(entry.session);
  }

  async #openNew(signal: AbortSignal): Promise<FtpSession> {
    this.#open += 1;
    try {
      const session = await this.#openSession(signal);
      session.replies = 1;
      return session;
    } catch (error) {
      this.#open -= 1;
      this.#wakeNext();
      throw error;
    }
  }

  async #pooled(): Promise<FtpSession | undefined> {
    for (let entry = this.#takeIdle(); entry; entry = this.#takeIdle()) {
      const { session, since } = entry;
      session.idle = false;
      if (session.usable && (performance.now() - since < trustIdleMs || (await lives(session)))) {
        session.replies = 0;
        return session;
      }
      this.#drop(session);
    }
    return undefined;
  }

  #takeIdle(): IdleSession | undefined {
    const taken = this.#idle.pop();
    if (taken) clearTimeout(taken.timer);
    return taken;
  }

  #drop(session: FtpSession): void {
    session.close();
    this.#open -= 1;
    this.#wakeNext();
  }

  #wakeNext(): void {
    this.#waiters.shift()?.wake();
  }

  /** Waits until a session may be free. The first in line is woken when one is; it looks for itself. */
  #turn(signal: AbortSignal, urgent: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(interrupted());
      };
      const waiter: Waiter = {
        wake: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      if (urgent) this.#waiters.unshift(waiter);
      else this.#waiters.push(waiter);
    });
  }
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
