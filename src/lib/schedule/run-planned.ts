import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { AttemptFunction } from "../delivery/attempt";
import { DeliveryError } from "../errors";
import type { Delivery, Receipt } from "../types";
import { dueRuns } from "./due-runs";
import { type PlannedRun, type PlannedRuns, readPlannedRun } from "./planned-runs";
import { passedOverNotice, planNext } from "./scheduler";
import type { SharedSchedulerParts } from "./shared-scheduler";
import { openTimetable, type Timetable } from "./timetable";

interface Parts extends Pick<SharedSchedulerParts, "options" | "settleMs" | "run"> {
  readonly runs: PlannedRuns;
  /** What is handed over then gets nowhere. */
  isClosed(): boolean;
  onNotice(notice: string): void;
}

/** The code of the failure of a run that was begun before its time, as all are when they have just been planned. */
export const tooEarly = "EARLY";
const longestCloseMs = 60_000;
const sha256OfNothing = createHash("sha256").digest("hex");

/**
 * What is to be done with a planned run once somebody has got it: plan the one after it, so that there
 * always is one; hand over what is due; and hold it until whoever was handed it has it.
 */
export function runPlanned({ options, settleMs, run, runs, isClosed, onNotice }: Parts): AttemptFunction {
  const timetables = new Map<string, Promise<Timetable>>();
  const timetableOf = ({ cron, timeZone }: PlannedRun): Promise<Timetable> => {
    const key = JSON.stringify([cron, timeZone]);
    const timetable = timetables.get(key) ?? openTimetable({ cron, timeZone });
    timetables.set(key, timetable);
    return timetable;
  };

  return async (delivery, { signal }) => {
    const planned = readPlannedRun(delivery);
    const now = Date.now();
    if (now < planned.startAt) {
      throw new DeliveryError("unavailable", "The time of this run has not come yet.", { code: tooEarly });
    }
    const timetable = await timetableOf(planned);
    // Somebody had it in time and died: it is late, and was not missed.
    const takenOver = wasTakenOver(delivery);
    const follower = takenOver ? await runs.follower(planned) : undefined;
    // What came after what he had planned was run by others.
    const [last] = follower ? timetable.latest(planned.time - 1, follower.time - 1, 1) : [];
    const at = last ?? (takenOver || isSentAgain(delivery) ? planned.startAt : now);
    const following = follower ?? planNext(timetable, options, at);
    if (!isSentAgain(delivery)) {
      const others = await runs.list();
      if (others.some(({ since }) => since > planned.since)) return receiptOf(delivery, "skipped");
      if (following && !follower) await runs.add(following, planned);
    }

    const due = dueRuns(timetable, options, { settledUntil: planned.time - 1, now: at });
    // Others get it when the signal says that this process has let go of it.
    if (isClosed()) await sleep(longestCloseMs, undefined, { signal });
    if (due.passedOver > 0) onNotice(passedOverNotice(due.passedOver));
    for (const one of due.runs) {
      try {
        run({ ...one, startedAt: now, next: following?.time });
      } catch (error) {
        // Nobody else would fare better.
        onNotice((error as Error).message);
      }
    }
    await sleep(settleMs, undefined, { signal });
    return receiptOf(delivery, due.runs.length > 0 ? "delivered" : "skipped");
  };
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
