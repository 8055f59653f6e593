import { randomUUID } from "node:crypto";
import { dueRuns, type ScheduledRun } from "./due-runs";
import { mostMissed, type ScheduleOptions } from "./options";
import type { ScheduleRecord, ScheduleRecords } from "./records";
import {
  beginRun,
  farBackMs,
  isRunning,
  policyOf,
  type RunningRun,
  skippedNotice,
  takenAsEndedNotice,
} from "./running-run";
import type { Timetable } from "./timetable";

export interface ScheduledStart extends ScheduledRun {
  /** A UUID, by which `Scheduler.ended` knows it. A run that is repeated after a crash may have the same. */
  readonly runId: string;
  /** When this run was started, in milliseconds since 1970. */
  readonly startedAt: number;
  /** The first time after this moment. */
  readonly next: number | undefined;
}

export interface SchedulerParts {
  /** Under which `records` know it. */
  readonly id: string;
  readonly timetable: Timetable;
  readonly options: ScheduleOptions;
  readonly records: ScheduleRecords;
  run(start: ScheduledStart): void;
  /** Told of the time that it waits for, whenever that is another one. */
  onWaiting?(next: number | undefined): void;
  /** Where runs must not overlap: told when the one that has not ended was started; undefined when it has. */
  onRunning?(since: number | undefined): void;
  /** Told of what went wrong, and of times that were passed over. */
  onNotice?(notice: string): void;
}

export interface Scheduler {
  /**
   * Says that a run has ended, which counts where runs must not overlap; also of one that was started before a
   * restart. Resolves when that is kept: to false when no such run was running. Never rejects.
   */
  ended(runId: string): Promise<boolean>;
  /** Nothing is run afterwards. Resolves when what was done last is on the disk. */
  close(): Promise<void>;
}

/** A clock that is set meanwhile is noticed after so long at most. */
const longestWaitMs = 60_000;

/**
 * Runs what a timetable names: at its times, and first what was missed since the last time that `records`
 * know of. A schedule that they don't know, or know under another timetable, begins now. Each run is at
 * least once: a crash within about a second of one repeats it.
 */
export function startScheduler(parts: SchedulerParts): Scheduler {
  const { id, timetable, options, records, run } = parts;
  const { onWaiting = () => {}, onRunning = () => {}, onNotice = () => {} } = parts;
  const name = `${options.cron.trim()} ${timetable.timeZone}`;
  let settledUntil = 0;
  let planned: Plan | undefined;
  let told: number | undefined;
  let running: RunningRun | undefined;
  /** Whether a time came meanwhile. */
  let waited = false;
  let toldOf: RunningRun | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const settle = (until: number) => {
    settledUntil = until;
    planned = planNext(timetable, options, until);
    keep();
  };
  const keep = () => records.set(id, { timetable: name, settledUntil, ...(running && { running }) });
  const setRunning = (one: RunningRun | undefined) => {
    running = one;
    keep();
    onRunning(one?.startedAt);
  };
  const runDue = (now: number) => {
    const due = dueRuns(timetable, policyOf(options, { waited }), { settledUntil, now });
    waited = false;
    settle(due.settledUntil);
    if (due.passedOver > 0) onNotice(passedOverNotice(due.passedOver));
    const [next] = timetable.next(now, 1);
    for (const one of due.runs) {
      const runId = randomUUID();
      run({ ...one, runId, startedAt: now, next });
      if (options.overlap !== "allow") setRunning(beginRun(runId, now, options));
    }
  };
  const holdBack = (now: number, last: RunningRun) => {
    waited = options.overlap === "wait";
    if (waited) return;
    const [newest = now] = timetable.latest(settledUntil, now, 1);
    settle(newest);
    if (toldOf !== last) onNotice(skippedNotice(last));
    toldOf = last;
  };
  const wake = () => {
    let waitMs = longestWaitMs;
    try {
      const now = Date.now();
      if (settledUntil - now > farBackMs) settle(now);
      if (running && !isRunning(running, now)) {
        onNotice(takenAsEndedNotice(running));
        setRunning(undefined);
      }
      if (planned && now >= planned.startAt) {
        if (running) holdBack(now, running);
        else runDue(now);
      }
      if (planned?.time !== told) onWaiting(planned?.time);
      told = planned?.time;
      const startAt = running && waited ? Infinity : (planned?.startAt ?? Infinity);
      const wakeAt = Math.min(startAt, running?.endsBy ?? Infinity);
      waitMs = Math.min(longestWaitMs, Math.max(1, wakeAt - Date.now()));
    } catch (error) {
      onNotice((error as Error).message);
    }
    if (!closed) timer = setTimeout(wake, waitMs);
  };
  const begin = (record: ScheduleRecord | undefined) => {
    if (closed) return;
    if (options.overlap !== "allow") running = record?.running;
    if (running) onRunning(running.startedAt);
    if (record?.timetable === name) {
      settledUntil = record.settledUntil;
      planned = planNext(timetable, options, settledUntil);
    } else {
      settle(Date.now());
    }
    wake();
  };
  const begun = records
    .get(id)
    .then(begin)
    .catch((error: Error) => onNotice(error.message));
  return {
    async ended(runId) {
      await begun;
      // Whoever was started after this one has the record.
      if (closed || running?.id !== runId) return false;
      setRunning(undefined);
      clearTimeout(timer);
      wake();
      await records.flush();
      return true;
    },
    close() {
      closed = true;
      clearTimeout(timer);
      return records.flush();
    },
  };
}

export interface Plan {
  /** As the timetable names it. */
  readonly time: number;
  /** With the jitter. */
  readonly startAt: number;
}

export function planNext(
  timetable: Timetable,
  { jitterMs }: Pick<ScheduleOptions, "jitterMs">,
  after: number,
): Plan | undefined {
  const [time, following = Infinity] = timetable.next(after, 2);
  if (time === undefined) return undefined;
  // However large the jitter, the next time has a run of its own.
  // In whole milliseconds, as stores keep times.
  return { time, startAt: time + Math.floor(Math.random() * Math.min(jitterMs, (following - time) / 2)) };
}

export function passedOverNotice(count: number): string {
  const times =
    count === 1
      ? "A scheduled time was"
      : `${count === mostMissed ? "At least " : ""}${count} scheduled times were`;
  return `${times} missed and passed over.`;
}
