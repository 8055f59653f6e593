import { mostMissed, type ScheduleOptions } from "./options";
import type { Timetable } from "./timetable";

export interface ScheduledRun {
  /** The time that the timetable names, in milliseconds since 1970. */
  readonly scheduledAt: number;
  /** `missed` when nobody was there at the time. */
  readonly reason: "due" | "missed";
  /** How many missed times this run makes up for; itself included, if it is one of them. */
  readonly missed: number;
}

export interface DueRuns {
  /** Oldest first. */
  readonly runs: ScheduledRun[];
  /** Up to here every time was run or passed over. */
  readonly settledUntil: number;
  /** How many missed times get no run and are made up for by none; not counted beyond `mostMissed`. */
  readonly passedOver: number;
}

/**
 * A time that is no longer ago was not missed, only late: a deploy, a quick restart or a busy machine must
 * not cost anybody the run of the day.
 */
export const onTimeMs = 60_000;

type Policy = Pick<ScheduleOptions, "missed" | "missedLimit" | "graceMs" | "jitterMs">;

/**
 * What is to be run now for the times since `settledUntil`. Of several times the newest is due if it is not
 * long ago; all others were missed, and the policy says what becomes of them.
 */
export function dueRuns(
  timetable: Pick<Timetable, "latest">,
  policy: Policy,
  { settledUntil, now }: { settledUntil: number; now: number },
): DueRuns {
  const times = timetable.latest(settledUntil, now, mostMissed + 1);
  const newest = times.at(-1);
  if (newest === undefined) return { runs: [], settledUntil, passedOver: 0 };
  const isDue = now - newest <= onTimeMs + policy.jitterMs;
  const missed = (isDue ? times.slice(0, -1) : times).slice(-mostMissed);
  const oldest = policy.graceMs > 0 ? now - policy.graceMs : -Infinity;
  const inGrace = missed.filter((time) => time >= oldest);
  const runs = [
    ...madeUp(policy, inGrace, isDue),
    ...(isDue ? [dueRun(policy, newest, inGrace.length)] : []),
  ];
  const madeUpFor = runs.reduce((sum, run) => sum + run.missed, 0);
  return { runs, settledUntil: newest, passedOver: missed.length - madeUpFor };
}

function dueRun({ missed: policy }: Policy, scheduledAt: number, missed: number): ScheduledRun {
  // It makes up for those before it: a report of today holds what one of yesterday would have held.
  return { scheduledAt, reason: "due", missed: policy === "latest" ? missed : 0 };
}

function madeUp({ missed: policy, missedLimit }: Policy, times: number[], isDue: boolean): ScheduledRun[] {
  const run = (scheduledAt: number, missed: number): ScheduledRun => ({
    scheduledAt,
    reason: "missed",
    missed,
  });
  const last = times.at(-1);
  if (last === undefined || policy === "none") return [];
  if (policy === "latest") return isDue ? [] : [run(last, times.length)];
  return times.slice(-missedLimit).map((time) => run(time, 1));
}
