import { type OptionReader, readOptions } from "../options";

/** What to do about times that nobody was there for. */
export type MissedPolicy = "latest" | "all" | "none";

/**
 * What to do about a time that comes while the last run has not ended: run it all the same, run it once that
 * has ended (once for all that became due meanwhile), or pass it over.
 */
export type OverlapPolicy = "allow" | "wait" | "skip";

export interface ScheduleOptions {
  /** Five fields, six with the seconds first, or a nickname such as `@daily`. */
  readonly cron: string;
  /** An IANA name; empty for the machine's own. */
  readonly timeZone: string;
  readonly missed: MissedPolicy;
  /** With the policy `all`: at most so many, the newest. */
  readonly missedLimit: number;
  /** A missed time that is longer ago is passed over; 0 for no such limit. */
  readonly graceMs: number;
  /** Each run comes up to so much later than its time, at random. */
  readonly jitterMs: number;
  /** Unless it is `allow`, runs end by `Scheduler.ended`, and `all` missed times are made up for as by `latest`. */
  readonly overlap: OverlapPolicy;
  /** After so long a run is taken as ended: that somebody forgets to say so must not stop the schedule for ever. */
  readonly overlapLimitMs: number;
}

/** How many missed times are counted and made up for: looking for them takes time. */
export const mostMissed = 100;
const yearMs = 366 * 86_400_000;
const hourMs = 3_600_000;
const shortestLimitMs = 6_000;

/** @throws DeliveryError `invalid` that lists every problem; whether the cron expression makes sense is for `openTimetable` */
export function readScheduleOptions(input: unknown): ScheduleOptions {
  return readOptions("Schedule", input, readSchedule);
}

function readSchedule(options: OptionReader): ScheduleOptions {
  return {
    cron: options.string("cron"),
    timeZone: options.optionalString("timeZone") ?? "",
    missed: options.choice("missed", ["latest", "all", "none"], "latest"),
    missedLimit: options.number("missedLimit", { min: 1, max: mostMissed, default: 10, integer: true }),
    graceMs: options.number("graceMs", { min: 0, max: yearMs, default: 0 }),
    jitterMs: options.number("jitterMs", { min: 0, max: hourMs, default: 0 }),
    overlap: options.choice("overlap", ["allow", "wait", "skip"], "allow"),
    // Retrying, with the default policy, takes an hour.
    overlapLimitMs: options.number("overlapLimitMs", {
      min: shortestLimitMs,
      max: yearMs,
      default: 2 * hourMs,
    }),
  };
}
