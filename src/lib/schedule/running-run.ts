import type { ScheduleOptions } from "./options";

/** A run that whoever was handed it has not said to have ended. */
export interface RunningRun {
  readonly id: string;
  /** In milliseconds since 1970. */
  readonly startedAt: number;
  /** It is taken as ended then, in milliseconds since 1970. */
  readonly endsBy: number;
}

/** As in Vixie cron: a clock that goes back further was wrong before, and so was what it had run. */
export const farBackMs = 3 * 3_600_000;

export function beginRun(id: string, startedAt: number, { overlapLimitMs }: ScheduleOptions): RunningRun {
  return { id, startedAt, endsBy: startedAt + overlapLimitMs };
}

export function isRunning({ startedAt, endsBy }: RunningRun, now: number): boolean {
  return now < endsBy && startedAt - now <= farBackMs;
}

/** Undefined for what is no such record. */
export function readRunningRun(stored: unknown): RunningRun | undefined {
  const { id, startedAt, endsBy } = (stored ?? {}) as Record<string, unknown>;
  if (typeof id !== "string" || typeof startedAt !== "number" || typeof endsBy !== "number") return undefined;
  return { id, startedAt, endsBy };
}

/**
 * What to make of several times at once where runs must not overlap: one run.
 * @param waited whether they became due while another run had not ended, so that nobody has missed them
 */
export function policyOf(options: ScheduleOptions, { waited }: { waited: boolean }): ScheduleOptions {
  if (waited) return { ...options, missed: "latest", graceMs: 0 };
  return options.overlap !== "allow" && options.missed === "all" ? { ...options, missed: "latest" } : options;
}

export function skippedNotice({ startedAt }: RunningRun): string {
  return `The run that was started at ${isoOf(startedAt)} has not ended: what is due meanwhile is skipped.`;
}

export function takenAsEndedNotice({ startedAt }: RunningRun): string {
  return `Nobody has said in time that the run that was started at ${isoOf(startedAt)} has ended: it is taken as ended.`;
}

function isoOf(time: number): string {
  return new Date(time).toISOString();
}
