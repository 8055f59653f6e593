import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { IQueueBackend, MinimalJob, QueueBaseOptions } from "bullmq";

/**
 * The queues of BullMQ, one for each queue of the store. A job there is a ticket: who draws it may claim
 * the delivery that it names. Nothing of the delivery is in it, and one that is lost is no harm.
 */
export interface Tickets {
  /** Puts a ticket into the queue, to be drawn in so many milliseconds, unless the delivery has one. */
  issue(queue: string, id: string, inMs: number): Promise<void>;
  /** Takes the next ticket for as long as a lease, or undefined when there is none. */
  draw(queue: string): Promise<string | undefined>;
  /** A drawn ticket stays here for another lease. */
  keep(queue: string, id: string): Promise<void>;
  /** A drawn ticket goes back, to be drawn in so many milliseconds. */
  giveBack(queue: string, id: string, inMs: number): Promise<void>;
  /** A drawn ticket is not needed any more. */
  drop(queue: string, id: string): Promise<void>;
  /**
   * Puts back what was drawn by processes of which nothing was heard for a lease. Not more often than useful:
   * returns whether it was time for that.
   */
  recover(queue: string): Promise<boolean>;
  close(): Promise<void>;
}

/** How often BullMQ looks for locks that have ended: it notices at the second look. */
const stalledIntervalMs = 5_000;
const closeWithinMs = 5_000;
/** BullMQ keeps a log of events for each queue, which nobody reads here. */
const keptEvents = 100;

/** What its queues are made with, whatever the server. */
export function ticketOptions(leaseMs: number): Omit<QueueBaseOptions, "connection"> {
  const worker = {
    lockDuration: leaseMs,
    stalledInterval: stalledIntervalMs,
    // However often its process dies: only the delivery's own policy gives it up.
    maxStalledCount: 1_000_000_000,
  };
  // It would write its warnings to the console; `checkRedis` looks itself.
  return { ...worker, prefix: "{data-distribution}:queue", skipVersionCheck: true } as Omit<
    QueueBaseOptions,
    "connection"
  >;
}

/** @param root a backend of BullMQ whose connection all queues share; it is closed with the tickets */
export function createTickets(root: IQueueBackend, { leaseMs }: { leaseMs: number }): Tickets {
  const token = randomUUID();
  const queues = new Map<string, IQueueBackend>();
  const lookedAt = new Map<string, number>();

  const of = (queue: string): IQueueBackend => {
    let found = queues.get(queue);
    if (!found) {
      // A colon separates the parts of BullMQ's own names.
      found = root.forQueue(encodeURIComponent(queue));
      queues.set(queue, found);
      found.setQueueMeta({ "opts.maxLenEvents": keptEvents }).catch(() => {});
    }
    return found;
  };

  return {
    async issue(queue, id, inMs) {
      const delay = Math.max(0, Math.ceil(inMs));
      const job = { ...ticket(id), delay, opts: { delay }, timestamp: Date.now() };
      await of(queue).addJob(job, jobIdOf(id));
    },
    async draw(queue) {
      const [, jobId] = await of(queue).moveToActive(token);
      return jobId ? idOf(jobId) : undefined;
    },
    keep: (queue, id) => unlessLost(of(queue).extendLock(jobIdOf(id), token, leaseMs)),
    giveBack(queue, id, inMs) {
      const delay = Math.max(0, Math.ceil(inMs));
      const back = of(queue).moveToDelayed(jobIdOf(id), Date.now(), delay, token, { skipAttempt: true });
      return unlessLost(back);
    },
    drop(queue, id) {
      // Of a job that is removed BullMQ wants to know no more than this.
      const job = { id: jobIdOf(id), opts: {} } as MinimalJob;
      return unlessLost(of(queue).moveToCompleted(job, null, true, token, false));
    },
    async recover(queue) {
      const nowMs = performance.now();
      if (nowMs - (lookedAt.get(queue) ?? -Infinity) < stalledIntervalMs) return false;
      lookedAt.set(queue, nowMs);
      await of(queue).moveStalledJobsToWait();
      return true;
    },
    async close() {
      // A server that has gone silent does not say goodbye either.
      await Promise.race([root.close(), sleep(closeWithinMs, undefined, { ref: false })]);
    },
  };
}

function ticket(id: string) {
  const counts = { attemptsMade: 0, attemptsStarted: 0, stalledCounter: 0 };
  return {
    id: jobIdOf(id),
    name: "delivery",
    data: "{}",
    ...counts,
    progress: 0,
    failedReason: "",
    returnvalue: "",
  };
}

/** In Redis a job's name is beside those of the queue's own parts. */
const jobIdPrefix = "delivery-";
const jobIdOf = (id: string) => `${jobIdPrefix}${id}`;
const idOf = (jobId: string) => jobId.slice(jobIdPrefix.length);

/** Another process may have drawn the ticket meanwhile, or removed it: BullMQ says so by a negative number. */
async function unlessLost(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code !== "number" || code >= 0) throw error;
  }
}
