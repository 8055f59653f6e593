import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { AttemptFunction } from "../delivery/attempt";
import { DeliveryError } from "../errors";
import type { Delivery, Receipt } from "../types";
import { type DueRuns, dueRuns, type ScheduledRun } from "./due-runs";
import { type PlannedRun, type PlannedRuns, readPlannedRun } from "./planned-runs";
import { beginRun, isRunning, policyOf, skippedNotice, takenAsEndedNotice } from "./running-run";
import { passedOverNotice, planNext } from "./scheduler";
import {
  isMarker,
  readMarker,
  runIdOf,
  type SharedRunningRun,
  standsForRun,
  tooEarly,
} from "./shared-running-run";
import type { SharedSchedulerParts } from "./shared-scheduler";
import { openTimetable, type Timetable } from "./timetable";

interface Parts extends Pick<SharedSchedulerParts, "options" | "settleMs" | "run"> {
  readonly runs: PlannedRuns;
  readonly running: SharedRunningRun;
  /** What is handed over then gets nowhere. */
  isClosed(): boolean;
  onRunning(since: number | undefined): void;
  onNotice(notice: string): void;
}

/** What the last run lets a planned one do. */
type Turn = "now" | "after waiting" | "never";

const longestCloseMs = 60_000;
/** While it waits for the last run to end, which may be said to any process. */
const lookAgainMs = 1_000;
const sha256OfNothing = createHash("sha256").digest("hex");

/**
 * What is to be done with a planned run once somebody has got it: wait for the last run, if it is to; plan the
 * one after it, so that there always is one; hand over what is due; and hold it until whoever was handed it has
 * it. And what is to be done with the marker of a run that has not ended: to take that as ended, in the end.
 */
export function runPlanned(parts: Parts): AttemptFunction {
  const { options, settleMs, runs, isClosed, onNotice } = parts;
  const timetables = new Map<string, Promise<Timetable>>();
  const timetableOf = ({ cron, timeZone }: PlannedRun): Promise<Timetable> => {
    const key = JSON.stringify([cron, timeZone]);
    const timetable = timetables.get(key) ?? openTimetable({ cron, timeZone });
    timetables.set(key, timetable);
    return timetable;
  };
  const turnOf = turns(parts);

  return async (delivery, { signal }) => {
    if (isMarker(delivery)) return takeAsEnded(delivery, parts);
    const planned = readPlannedRun(delivery);
    if (Date.now() < planned.startAt) throw early();
    const timetable = await timetableOf(planned);
    const turn = await turnOf(delivery, signal);
    const now = Date.now();
    // Somebody had it in time and died: it is late, and was not missed.
    const takenOver = wasTakenOver(delivery);
    const follower = takenOver ? await runs.follower(planned) : undefined;
    // What came after what he had planned was run by others.
    const [last] = follower ? timetable.latest(planned.time - 1, follower.time - 1, 1) : [];
    // Whoever had it before may have waited, too.
    const waited = turn === "after waiting" || (takenOver && options.overlap !== "allow");
    const wasInTime = isSentAgain(delivery) || (takenOver && !waited);
    const at = last ?? (wasInTime ? planned.startAt : now);
    const following = follower ?? planNext(timetable, options, at);
    if (!isSentAgain(delivery)) {
      const others = await runs.list();
      if (others.some(({ since }) => since > planned.since)) return receiptOf(delivery, "skipped");
      if (following && !follower) await runs.add(following, planned);
    }
    if (turn === "never") return receiptOf(delivery, "skipped");

    const policy = policyOf(options, { waited });
    const due = dueRuns(timetable, policy, { settledUntil: planned.time - 1, now: at });
    // Others get it when the signal says that this process has let go of it.
    if (isClosed()) await sleep(longestCloseMs, undefined, { signal });
    if (due.passedOver > 0) onNotice(passedOverNotice(due.passedOver));
    await handOver(delivery, due, { startedAt: now, next: following?.time }, parts);
    await sleep(settleMs, undefined, { signal });
    return receiptOf(delivery, due.runs.length > 0 ? "delivered" : "skipped");
  };
}

/** Whether the last run has ended; and if it is to be waited for, when it has. */
function turns({ options: { overlap }, running, isClosed, onNotice }: Parts) {
  let toldOf: string | undefined;
  return async ({ id }: Delivery, signal: AbortSignal): Promise<Turn> => {
    for (let waited = false; ; waited = true) {
      const last = overlap === "allow" ? undefined : await running.current(Date.now(), id);
      if (!last) return waited ? "after waiting" : "now";
      if (overlap === "skip") {
        if (toldOf !== last.id) onNotice(skippedNotice(last));
        toldOf = last.id;
        return "never";
      }
      await sleep(isClosed() ? longestCloseMs : lookAgainMs, undefined, { signal });
    }
  };
}

async function handOver(
  { id }: Delivery,
  { runs }: DueRuns,
  { startedAt, next }: { startedAt: number; next: number | undefined },
  { options, run, running, onRunning, onNotice }: Parts,
): Promise<void> {
  const start = (one: ScheduledRun, runId: string) => {
    try {
      run({ ...one, runId, startedAt, next });
      return true;
    } catch (error) {
      // Nobody else would fare better.
      onNotice((error as Error).message);
      return false;
    }
  };
  for (const one of runs) {
    if (options.overlap === "allow") {
      start(one, randomUUID());
      continue;
    }
    const begun = await running.begin(id, beginRun(runIdOf(id), startedAt, options));
    // Whoever had it before has died after its end.
    if (!begun) continue;
    onRunning(begun.startedAt);
    if (start(one, begun.id)) continue;
    await running.end(begun.id);
    onRunning(undefined);
  }
}

function takeAsEnded(marker: Delivery, { onRunning, onNotice }: Parts): Receipt {
  if (standsForRun(marker)) {
    const run = readMarker(marker);
    if (isRunning(run, Date.now())) throw early();
    onRunning(undefined);
    onNotice(takenAsEndedNotice(run));
  }
  return receiptOf(marker, "skipped");
}

function early(): DeliveryError {
  return new DeliveryError("unavailable", "The time of this run has not come yet.", { code: tooEarly });
}

/** Whether somebody has begun with it and was not heard of again. */
function wasTakenOver({ begun, attempts }: Delivery): boolean {
  return begun - 1 > attempts.length;
}

/** Whether a person wants this time once more: such a delivery goes without the key of the first one. */
function isSentAgain({ onceKey }: Delivery): boolean {
  return onceKey === undefined;
}

function receiptOf({ location }: Delivery, outcome: Receipt["outcome"]): Receipt {
  return { location, outcome, bytes: 0, sha256: sha256OfNothing, verified: "none", notes: [] };
}
