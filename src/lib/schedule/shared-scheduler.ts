import { setTimeout as sleep } from "node:timers/promises";
import { DeliveryRunner } from "../delivery/runner";
import { toDeliveryError } from "../delivery/settlement";
import type { DeliveryStore } from "../store/delivery-store";
import type { WriterReference } from "../types";
import { type PlannedRun, plannedRunsOf } from "./planned-runs";
import { runPlanned } from "./run-planned";
import { planNext, type Scheduler, type SchedulerParts } from "./scheduler";
import { sharedRunningRun, tooEarly } from "./shared-running-run";

export interface SharedSchedulerParts extends Omit<SchedulerParts, "id" | "records"> {
  /** As the store knows it: the schedule has the same id in all processes. */
  readonly schedule: WriterReference;
  readonly store: DeliveryStore;
  /**
   * How long whoever was handed a run gets to take it over. Should the process die before that, another one
   * runs it again.
   */
  readonly settleMs: number;
}

/** Runs that were withdrawn elsewhere are planned again after so long at most. */
const longestLookMs = 10_000;
/** Who looks right at the time would still see the run that is due. */
const lookLaterMs = 250;
/** What is due waits for the last run to end. */
const lookWhileRunningMs = 2_000;
/** After a failure that is not the run's. */
const recoveryMs = 5_000;
const tidyEveryMs = 600_000;
/** Runs must not wait for others that settle. */
const concurrency = 8;

/**
 * Runs what a timetable names once for all processes that share the store. The next run waits there as a
 * delivery; when it is due, one process gets it, plans the one after it, and runs it. Should that process die
 * before that, another one takes over. Each run is at least once: a crash within `settleMs` repeats it.
 * Processes that were given different timetables all follow that of whoever was started last.
 * What nobody could run, because all were down or the store could not be reached, was missed.
 */
export function startSharedScheduler(parts: SharedSchedulerParts): Scheduler {
  const { schedule, store, timetable, options, settleMs } = parts;
  const { onWaiting = () => {}, onRunning = () => {}, onNotice = () => {} } = parts;
  const runs = plannedRunsOf(store, schedule);
  const running = sharedRunningRun(store, schedule);
  const own = { cron: options.cron.trim(), timeZone: timetable.timeZone };
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let runningSince: number | undefined;
  let told: { next: number | undefined } | undefined;
  let lastNotice: string | undefined;
  let tidiedMs = performance.now();
  let closed = false;

  const say = (notice: string) => {
    // A store that is away says so at every look.
    if (notice !== lastNotice) onNotice(notice);
    lastNotice = notice;
  };
  const sayRunning = (since: number | undefined) => {
    if (runningSince !== since) onRunning(since);
    runningSince = since;
  };
  /** Again and again while the store cannot: nobody else sees to it. */
  const untilDone = async <T>(work: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (closed) throw error;
        say(toDeliveryError(error).message);
        await sleep(recoveryMs);
      }
    }
  };
  const waitUntil = (id: string, dueAt: number): Promise<void> =>
    untilDone(async () => {
      if (!(await store.retryAt(id, dueAt))) await runs.drop(id);
    });
  const runner = new DeliveryRunner({
    queue: schedule.id,
    store,
    concurrency,
    attempt: runPlanned({ ...parts, runs, running, isClosed: () => closed, onRunning: sayRunning, onNotice }),
    announce: ({ id, state, error, attributes }) => {
      if (state !== "failed") return undefined;
      return waitUntil(id, error?.code === tooEarly ? Number(attributes.startAt) : Date.now() + recoveryMs);
    },
  });
  runner.on("problem", ({ message }) => say(message));

  const isOwn = ({ cron, timeZone }: PlannedRun) => cron === own.cron && timeZone === own.timeZone;
  /** Sees to it that a run is planned; gives the time of the next one. */
  const look = async (isStart: boolean): Promise<number | undefined> => {
    const now = Date.now();
    let planned = await runs.list();
    if (isStart) {
      for (const foreign of planned.filter((one) => !isOwn(one))) await runs.cancel(foreign);
      planned = planned.filter(isOwn);
      if (options.overlap === "allow") await running.forget();
    }
    if (performance.now() - tidiedMs > tidyEveryMs) {
      tidiedMs = performance.now();
      await runs.tidy(() => closed);
    }
    if (options.overlap !== "allow") sayRunning((await running.current(now))?.startedAt);
    const next = planNext(timetable, options, now);
    if (planned.length === 0 && next) {
      await runs.add(next, { ...own, since: now });
      return next.time;
    }
    return planned.length === 0 ? undefined : Math.max(...planned.map(({ time }) => time));
  };
  const untilLook = (next: number): number => {
    const inMs = Math.max(0, next - Date.now());
    return inMs === 0 && runningSince !== undefined ? lookWhileRunningMs : inMs + lookLaterMs;
  };
  const lookAndWait = async (isStart: boolean): Promise<void> => {
    let waitMs = longestLookMs;
    let failed = isStart;
    try {
      const next = await look(isStart);
      failed = false;
      lastNotice = undefined;
      if (closed) return;
      if (told?.next !== next || !told) onWaiting(next);
      told = { next };
      if (next !== undefined) waitMs = Math.min(waitMs, untilLook(next));
    } catch (error) {
      say(toDeliveryError(error).message);
    }
    if (closed) return;
    timer = setTimeout(() => {
      looking = lookAndWait(failed);
    }, waitMs);
  };

  runner.start();
  looking = lookAndWait(true);
  return {
    async ended(runId) {
      // Closed meanwhile, it is left to the limit.
      const found = await untilDone(() => running.end(runId)).catch(() => false);
      if (found) sayRunning(undefined);
      return found;
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await looking;
      // Those that were handed over have settled by then; the others go to other processes.
      await runner.close({ graceMs: settleMs + 1_000 });
    },
  };
}

/**
 * Withdraws what is planned of a schedule, and takes its last run as ended: who stops one does not want made up
 * for what does not happen.
 * Processes that still have it plan anew.
 * @throws DeliveryError `local` when the store cannot be used
 */
export async function cancelPlannedRuns(store: DeliveryStore, schedule: WriterReference): Promise<void> {
  const runs = plannedRunsOf(store, schedule);
  for (const planned of await runs.list()) await runs.cancel(planned);
  await sharedRunningRun(store, schedule).forget();
}
