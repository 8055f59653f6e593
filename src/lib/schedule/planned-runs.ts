import { randomUUID } from "node:crypto";
import type { ErrorRecord } from "../errors";
import type { DeliveryStore } from "../store/delivery-store";
import { endedStates, unfinishedStates } from "../store/states";
import type { Delivery, WriterReference } from "../types";
import type { Plan } from "./scheduler";
import { isMarker } from "./shared-running-run";

/** What the times of planned runs come from. Whoever gets one goes on by the same timetable. */
export interface PlannedBy {
  readonly cron: string;
  readonly timeZone: string;
  /** When somebody began with this timetable, in milliseconds since 1970: the latest one counts. */
  readonly since: number;
}

/** A run that was planned: a delivery that waits in the store until its time comes. */
export interface PlannedRun extends Plan, PlannedBy {
  readonly id: string;
}

/** The planned runs of one schedule, in a store that others may share. */
export interface PlannedRuns {
  /** Plans a run, unless it has been planned or run before. */
  add(plan: Plan, by: PlannedBy): Promise<void>;
  /** Those that have not ended. */
  list(): Promise<PlannedRun[]>;
  /** The run that was planned when this one was run, if it was. */
  follower(run: PlannedRun): Promise<PlannedRun | undefined>;
  /** Withdraws it, unless somebody has begun with it. */
  cancel(run: PlannedRun): Promise<void>;
  /**
   * Forgets what ended long ago: other deliveries of the store need the room that runs of each second take.
   * @param isOver asked before each: whoever closes does not wait for it
   */
  tidy(isOver: () => boolean): Promise<void>;
  /** Ends one that has failed, because another process has planned the same. */
  drop(id: string): Promise<void>;
}

/** There are two or three: one that waits, one that is being run, and one that has not ended. */
const mostListed = 50;
/** Whoever was asleep meanwhile, and still holds one of them, must find that what came after it was run. */
const keptRuns = 1_000;
const stopped: ErrorRecord = { kind: "cancelled", message: "The schedule was stopped.", retryable: true };

/** @param schedule as the store knows it: its id is the queue */
export function plannedRunsOf(store: DeliveryStore, schedule: WriterReference): PlannedRuns {
  return {
    async add({ time, startAt }, { cron, timeZone, since }) {
      const target = new Date(time).toISOString();
      await store.accept({
        id: randomUUID(),
        writer: schedule,
        source: { kind: "text", name: "", text: "" },
        target,
        location: target,
        metadata: {},
        attributes: { cron, timeZone, since: String(since), startAt: String(startAt) },
        onceKey: JSON.stringify([schedule.id, cron, timeZone, time]),
      });
    },
    async list() {
      const filter = { writerId: schedule.id, states: unfinishedStates };
      const { deliveries } = await store.list(filter, { limit: mostListed });
      return deliveries.filter((delivery) => !isMarker(delivery)).map(readPlannedRun);
    },
    async follower(run) {
      let found: PlannedRun | undefined;
      let after: string | undefined;
      do {
        const filter = { writerId: schedule.id };
        const page = await store.list(filter, { limit: mostListed, ...(after !== undefined && { after }) });
        for (const delivery of page.deliveries) {
          if (delivery.id === run.id) return found;
          const other = readPlannedRun(delivery);
          const follows = other.time > run.time && other.since === run.since;
          // One that a person has sent again is no plan, nor is what stands for a run that has not ended.
          if (follows && delivery.onceKey !== undefined) found = other;
        }
        after = page.next;
      } while (after !== undefined);
      return found;
    },
    async cancel({ id }) {
      const cancelled = await store.cancel(id, stopped);
      // Nobody is to be told.
      if (cancelled) await store.markAnnounced(id, cancelled.version);
    },
    async tidy(isOver) {
      const filter = { writerId: schedule.id, states: endedStates };
      let seen = 0;
      let after: string | undefined;
      do {
        const page = await store.list(filter, { limit: mostListed, ...(after !== undefined && { after }) });
        for (const ended of page.deliveries) {
          if (++seen > keptRuns && !isOver()) await store.forget(ended);
        }
        after = page.next;
      } while (after !== undefined && !isOver());
    },
    async drop(id) {
      const reason = "Another process has planned this run as well.";
      const dropped = await store.giveUp(id, { reason, by: schedule.id });
      if (dropped) await store.markAnnounced(id, dropped.version);
    },
  };
}

export function readPlannedRun({ id, target, attributes }: Delivery): PlannedRun {
  const { cron = "", timeZone = "", since, startAt } = attributes;
  return { id, cron, timeZone, since: Number(since), time: Date.parse(target), startAt: Number(startAt) };
}
