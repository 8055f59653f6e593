import { DeliveryError } from "../errors";
import { importOptionalPeer } from "../optional-peer";
import { cronProblem } from "./cron-problem";

/** The times that a cron expression names. All are in milliseconds since 1970. */
export interface Timetable {
  /** The zone that the expression is read in. */
  readonly timeZone: string;
  /** The first times after an instant, oldest first; fewer where there are no more. */
  next(afterMs: number, count: number): number[];
  /** The last times after the one instant and up to the other, oldest first; at most so many. */
  latest(afterMs: number, untilMs: number, most: number): number[];
}

/**
 * Reads a cron expression as Vixie cron does, clock changes included (cron(8), "daylight saving"):
 * - Times that are named (no `*` and no step in second, minute and hour) each have one run a day. One that
 *   the clock jumps over in spring runs at the first moment after the jump, once for all that meet there; one that comes twice in autumn
 *   runs the first time only.
 * - Times that recur (`*` or a step) go on at the same pace through both: what is jumped over is left out,
 *   and the hour that comes twice has its runs twice.
 * @throws DeliveryError `invalid` for an expression or a time zone that makes no sense, for one that never
 *   comes, and when `croner` is not installed
 */
export async function openTimetable(options: { cron: string; timeZone: string }): Promise<Timetable> {
  const timeZone = readTimeZone(options.timeZone);
  const { Cron } = await importOptionalPeer("croner", "keep a timetable", () => import("croner"));
  const open = (pattern: string) =>
    new Cron(pattern, {
      timezone: timeZone,
      mode: "5-or-6-parts",
      fixedTimeRule: "no-wildcard",
      paused: true,
    });
  const problem = cronProblem(options.cron, open);
  if (problem) throw new DeliveryError("invalid", problem);
  const cron = open(options.cron.trim());
  if (!cron.nextRun()) {
    throw new DeliveryError(
      "invalid",
      `The cron expression ${quoted(options.cron)} names a day that never comes.`,
    );
  }
  return timetableOf(cron, timeZone);
}

/** The little of croner that is needed. */
interface CronTimes {
  nextRuns(count: number, from: Date): Date[];
  previousRuns(count: number, before: Date): Date[];
}

function timetableOf(cron: CronTimes, timeZone: string): Timetable {
  const next = (afterMs: number, count: number) => cron.nextRuns(count, new Date(afterMs)).map(Number);
  return {
    timeZone,
    next,
    latest(afterMs, untilMs, most) {
      const first: number[] = [];
      for (let time = next(afterMs, 1)[0]; time !== undefined && time <= untilMs; time = next(time, 1)[0]) {
        first.push(time);
        if (first.length > most) break;
      }
      if (first.length <= most) return first;
      // What is asked for are the times before an instant; times are whole seconds.
      const before = Math.floor(untilMs / 1_000) * 1_000 + 1_000;
      const last = cron.previousRuns(most, new Date(before)).map(Number);
      return last.filter((time) => time > afterMs && time <= untilMs).sort((one, other) => one - other);
    },
  };
}

function readTimeZone(timeZone: string): string {
  try {
    const { timeZone: resolved } = new Intl.DateTimeFormat("en", {
      ...(timeZone && { timeZone }),
    }).resolvedOptions();
    // As it was given: what else it is called differs between versions of Node.js.
    return timeZone || resolved;
  } catch {
    throw new DeliveryError(
      "invalid",
      `The time zone ${quoted(timeZone)} is not known. Use a name such as Europe/Berlin.`,
    );
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
