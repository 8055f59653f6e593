import { dueRuns, type ScheduledRun } from "./due-runs";
import { mostMissed, type ScheduleOptions } from "./options";
import type { ScheduleRecord, ScheduleRecords } from "./records";
import type { Timetable } from "./timetable";

export interface ScheduledStart extends ScheduledRun {
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
  /** Told of what went wrong, and of times that were passed over. */
  onNotice?(notice: string): void;
}

export interface Scheduler {
  /** Nothing is run afterwards. Resolves when what was done last is on the disk. */
  close(): Promise<void>;
}

/** A clock that is set meanwhile is noticed after so long at most. */
const longestWaitMs = 60_000;
/** As in Vixie cron: a clock that goes back further was wrong before, and so was what it had run. */
const farBackMs = 3 * 3_600_000;

/**
 * Runs what a timetable names: at its times, and first what was missed since the last time that `records`
 * know of. A schedule that they don't know, or know under another timetable, begins now. Each run is at
 * least once: a crash within about a second of one repeats it.
 */
export function startScheduler(parts: SchedulerParts): Scheduler {
  const { id, timetable, options, records, run, onWaiting = () => {}, onNotice = () => {} } = parts;
  const name = `${options.cron.trim()} ${timetable.timeZone}`;
  let settledUntil = 0;
  let planned: Plan | undefined;
  let told: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const settle = (until: number) => {
    settledUntil = until;
    planned = planNext(timetable, options, until);
    records.set(id, { timetable: name, settledUntil });
  };
  const runDue = (now: number) => {
    const due = dueRuns(timetable, options, { settledUntil, now });
    settle(due.settledUntil);
    if (due.passedOver > 0) onNotice(passedOverNotice(due.passedOver));
    const [next] = timetable.next(now, 1);
    for (const one of due.runs) run({ ...one, startedAt: now, next });
  };
  const wake = () => {
    let waitMs = longestWaitMs;
    try {
      const now = Date.now();
      if (settledUntil - now > farBackMs) settle(now);
      if (planned && now >= planned.startAt) runDue(now);
      if (planned?.time !== told) onWaiting(planned?.time);
      told = planned?.time;
      if (planned) waitMs = Math.min(longestWaitMs, Math.max(1, planned.startAt - Date.now()));
    } catch (error) {
      onNotice((error as Error).message);
    }
    if (!closed) timer = setTimeout(wake, waitMs);
  };
  const begin = (record: ScheduleRecord | undefined) => {
    if (closed) return;
    if (record?.timetable === name) {
      settledUntil = record.settledUntil;
      planned = planNext(timetable, options, settledUntil);
    } else {
      settle(Date.now());
    }
    wake();
  };
  records
    .get(id)
    .then(begin)
    .catch((error: Error) => onNotice(error.message));
  return {
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
  return { time, startAt: time + Math.random() * Math.min(jitterMs, (following - time) / 2) };
}

export function passedOverNotice(count: number): string {
  const times =
    count === 1
      ? "A scheduled time was"
      : `${count === mostMissed ? "At least " : ""}${count} scheduled times were`;
  return `${times} missed and passed over.`;
}
