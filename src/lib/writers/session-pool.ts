import { type DeliveryError, interrupted } from "../errors";

/** A logged-in connection that can be used again and again. */
export interface PooledSession {
  /** False once it is closed or in doubt: then it is never used again. */
  readonly usable: boolean;
  /** Whether something was lost or left undone on it. */
  readonly doubtful: boolean;
  /** Answers since somebody took the session: 0 tells that nothing was done with it yet. */
  replies: number;
  /** Keeps the process from waiting for an idle session. */
  idle: boolean;
  /** Asks the other side something harmless. Throws, or is closed by the pool, when no answer comes. */
  lives(): Promise<boolean>;
  /** Ends it at once. What is under way fails with `reason`. */
  close(reason?: DeliveryError): void;
}

export interface UseOptions {
  signal: AbortSignal;
  /** A new session, before all who wait: for looking at, and cleaning up, what a lost one left behind. */
  fresh?: boolean;
}

interface IdleSession<Session> {
  session: Session;
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
export class SessionPool<Session extends PooledSession> {
  readonly #maxSessions: number;
  readonly #openSession: (signal: AbortSignal) => Promise<Session>;
  readonly #idle: IdleSession<Session>[] = [];
  readonly #waiters: Waiter[] = [];
  #open = 0;
  #closed = false;

  constructor(maxSessions: number, openSession: (signal: AbortSignal) => Promise<Session>) {
    this.#maxSessions = maxSessions;
    this.#openSession = openSession;
  }

  /**
   * Runs `work` on a session of its own. A session from the pool that turns out to be closed is replaced
   * once without a word. After a loss or an abort the session is dropped, else it goes (back) to the pool.
   * @throws DeliveryError
   */
  async use<T>(work: (session: Session) => Promise<T>, { signal, fresh = false }: UseOptions): Promise<T> {
    const session = await this.#take(signal, fresh);
    try {
      return await during(session, work, signal);
    } catch (error) {
      const stale = session.doubtful && session.replies === 0 && !signal.aborted;
      if (!stale) throw error;
    } finally {
      this.#keep(session);
    }
    const replacement = await this.#take(signal, true);
    try {
      return await during(replacement, work, signal);
    } finally {
      this.#keep(replacement);
    }
  }

  /**
   * A session that nobody else uses; `replies` is 0 for one that has been idle. Give it back with `#keep`.
   * @param fresh a new one, before all who wait
   * @throws DeliveryError
   */
  async #take(signal: AbortSignal, fresh: boolean): Promise<Session> {
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
  #keep(session: Session): void {
    if (this.#closed || !session.usable) {
      this.#drop(session);
      return;
    }
    const entry: IdleSession<Session> = {
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

  async #openNew(signal: AbortSignal): Promise<Session> {
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

  async #pooled(): Promise<Session | undefined> {
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

  #takeIdle(): IdleSession<Session> | undefined {
    const taken = this.#idle.pop();
    if (taken) clearTimeout(taken.timer);
    return taken;
  }

  #drop(session: Session): void {
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

async function lives(session: PooledSession): Promise<boolean> {
  const timer = setTimeout(() => session.close(), livenessTimeoutMs);
  try {
    return await session.lives();
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Ends the session, and with it the work, as soon as `signal` is aborted. */
async function during<Session extends PooledSession, T>(
  session: Session,
  work: (session: Session) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const onAbort = () => session.close(interrupted());
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) throw interrupted();
    return await work(session);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
