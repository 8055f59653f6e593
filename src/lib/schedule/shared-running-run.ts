import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ErrorRecord } from "../errors";
import type { DeliveryStore } from "../store/delivery-store";
import { hasEnded, unfinishedStates } from "../store/states";
import type { Delivery, WriterReference } from "../types";
import { isRunning, type RunningRun } from "./running-run";

/**
 * Which run of a schedule has not ended, in a store that others may share. A delivery of the schedule, the
 * marker, stands for it. It waits until the run is taken as ended, and is cancelled when the run ends.
 */
export interface SharedRunningRun {
  /** The run that has not ended, unless it is the one that this planned run is. */
  current(now: number, besidePlannedId?: string): Promise<RunningRun | undefined>;
  /** The same again for a planned run that is begun again. Undefined when that has ended meanwhile. */
  begin(plannedId: string, run: RunningRun): Promise<RunningRun | undefined>;
  /** Returns false when no such run was running. */
  end(runId: string): Promise<boolean>;
  /** Whatever was started is taken as ended. */
  forget(): Promise<void>;
}

/** The code of the failure of what was begun before its time, as all is when it has just been planned. */
export const tooEarly = "EARLY";
const underWay: ErrorRecord = {
  kind: "unavailable",
  code: tooEarly,
  message: "This run has not ended.",
  retryable: true,
};
const ended: ErrorRecord = { kind: "cancelled", message: "This run has ended.", retryable: true };
const mostListed = 50;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Somebody looks at it in the moment in which it ends: it is free again at once, or when he has died. */
const busyMs = 100;
const mostTries = 700;

export function sharedRunningRun(store: DeliveryStore, schedule: WriterReference): SharedRunningRun {
  const list = async (): Promise<Delivery[]> => {
    const filter = { writerId: schedule.id, states: unfinishedStates };
    const { deliveries } = await store.list(filter, { limit: mostListed });
    return deliveries.filter(standsForRun);
  };
  const end = async (runId: string): Promise<boolean> => {
    for (let tries = 0; tries < mostTries && uuid.test(runId); tries++) {
      const marker = await store.get(runId);
      if (marker?.writer.id !== schedule.id || !standsForRun(marker) || hasEnded(marker.state)) return false;
      const cancelled = await store.cancel(runId, ended);
      if (cancelled) {
        // Nobody is to be told.
        await store.markAnnounced(runId, cancelled.version);
        return true;
      }
      await sleep(busyMs);
    }
    return false;
  };
  return {
    end,
    async current(now, besidePlannedId) {
      const others = (await list()).filter(({ attributes }) => attributes.run !== besidePlannedId);
      return others.map(readMarker).find((run) => isRunning(run, now));
    },
    async begin(plannedId, { id, startedAt, endsBy }) {
      const target = `run since ${new Date(startedAt).toISOString()}`;
      // Taken over as what has failed already: nobody is to begin with it before its time.
      const marker = await store.refuse(
        {
          id,
          writer: schedule,
          source: { kind: "text", name: "", text: "" },
          target,
          location: target,
          metadata: {},
          attributes: { run: plannedId, startedAt: String(startedAt), startAt: String(endsBy) },
        },
        underWay,
      );
      if (hasEnded(marker.state)) return undefined;
      const run = readMarker(marker);
      if (marker.state === "failed") await store.retryAt(id, run.endsBy);
      return run;
    },
    async forget() {
      for (const { id } of await list()) await end(id);
    },
  };
}

/** The same whenever the planned run is begun again, so that there is one marker for it. */
export function runIdOf(plannedId: string): string {
  const digest = createHash("sha256").update(`run ${plannedId}`).digest("hex");
  return digest.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
}

export function isMarker({ attributes }: Delivery): boolean {
  return attributes.run !== undefined;
}

/** One that a person has sent again stands for nothing. */
export function standsForRun({ id, attributes: { run } }: Delivery): boolean {
  return run !== undefined && id === runIdOf(run);
}

export function readMarker({ id, attributes: { startedAt, startAt } }: Delivery): RunningRun {
  return { id, startedAt: Number(startedAt), endsBy: Number(startAt) };
}
