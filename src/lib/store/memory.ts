import type { DeliveryState } from "../types";
import { type KeptRow, noCounts, type StoreBackend, type StoreRow } from "./backend";
import type { DeliveryCounts, DeliveryFilter, DeliveryStore } from "./delivery-store";
import { createLeaseStore } from "./lease-store";
import { createRests } from "./rests";
import { createTimeline, type Timeline } from "./timeline";

/**
 * Keeps deliveries in this process: they survive redeploys, not restarts. What has ended stays, with its
 * content and message, until `prune` forgets it.
 * @param now milliseconds since the epoch
 */
export function createMemoryStore({ now }: { now?: () => number } = {}): DeliveryStore {
  return createLeaseStore(createMemoryBackend(), {
    ...(now && { now }),
    leaseMs: Infinity,
  });
}

export function createMemoryBackend(): StoreBackend {
  const rows = new Map<string, KeptRow>();
  /** Those of `rows`, in the order of their arrival. */
  let order: Pick<KeptRow, "id" | "arrival">[] = [];
  let arrivals = 0;
  const idsByKey = new Map<string, string>();
  const queues = new Map<string, Timeline>();
  /** What may be forgotten, what finished first before all else. */
  let finished = createTimeline();
  const countsByQueue = new Map<string, DeliveryCounts>();
  const agreed = new Map<string, string>();

  const of = <Value>(map: Map<string, Value>, queue: string, create: () => Value): Value => {
    const value = map.get(queue) ?? create();
    map.set(queue, value);
    return value;
  };
  const index = (row: StoreRow): void => {
    of(countsByQueue, row.queue, noCounts)[row.state] += 1;
    if (row.claimableAt !== null) of(queues, row.queue, createTimeline).add(row.id, row.claimableAt);
    if (row.onceKey !== null) idsByKey.set(row.onceKey, row.id);
    if (row.finishedAt !== null && row.announced) finished.add(row.id, row.finishedAt);
  };
  const unindex = (row: StoreRow): void => {
    of(countsByQueue, row.queue, noCounts)[row.state] -= 1;
    queues.get(row.queue)?.remove(row.id);
    finished.remove(row.id);
    if (row.onceKey !== null) idsByKey.delete(row.onceKey);
  };
  const found = (ids: readonly string[]): KeptRow[] => ids.flatMap((id) => rows.get(id) ?? []);

  return {
    async insert(row) {
      const holder = rows.get(row.id) ?? rows.get(idsByKey.get(row.onceKey ?? "") ?? "");
      if (holder) return holder;
      rows.set(row.id, { ...row, arrival: ++arrivals });
      order.push({ id: row.id, arrival: arrivals });
      index(row);
      return undefined;
    },

    async change({ id, seen, set }) {
      const row = rows.get(id);
      if (row?.version !== seen) return "stale";
      const holder = idsByKey.get(set.onceKey ?? "") ?? id;
      if (holder !== id) return "key-taken";
      const changed = { ...row, ...set };
      unindex(row);
      rows.set(id, changed);
      index(changed);
      return "changed";
    },

    async get(id) {
      return rows.get(id);
    },
    async claimable(queue, nowMs, limit) {
      return found(queues.get(queue)?.first(limit, nowMs) ?? []);
    },
    async hasten(queue, nowMs, byMs) {
      const timeline = of(queues, queue, createTimeline);
      const rest = createRests();
      for (const row of found(timeline.after(nowMs))) {
        const { id, state, claimableAt } = row;
        const sooner = (claimableAt ?? 0) - byMs;
        const at = state === "queued" ? Math.min(nowMs, sooner) : sooner;
        // What has changed meanwhile has its time from the clock as it now is.
        if (state !== "sending" && rows.get(id) === row) {
          rows.set(id, { ...row, claimableAt: at });
          timeline.add(id, at);
        }
        await rest();
      }
    },
    async nextClaimableAt(queue) {
      return queues.get(queue)?.firstAt();
    },

    async list(filter, limit, before) {
      const page: KeptRow[] = [];
      const rest = createRests();
      // Who forgets something meanwhile makes another one of it.
      const all = order;
      for (let at = firstFrom(all, before) - 1; at >= 0 && page.length < limit; at--) {
        const row = rows.get(all[at]?.id ?? "");
        if (row && matches(row, filter)) page.push(row);
        await rest();
      }
      return page;
    },

    async counts(queue) {
      const counts = noCounts();
      for (const [id, some] of countsByQueue) {
        if (queue !== undefined && queue !== id) continue;
        for (const state of Object.keys(some) as DeliveryState[]) counts[state] += some[state];
      }
      return counts;
    },

    // Only what has ended or has failed has a time at which it finished: there are no other states to spare.
    async prune(_states, endedBefore, keep) {
      const rest = createRests();
      let removed = 0;
      while (finished.size > keep || (finished.firstAt() ?? Infinity) < endedBefore) {
        for (const row of found(finished.first(1))) {
          unindex(row);
          rows.delete(row.id);
          removed++;
        }
        await rest();
      }
      if (removed > 0) order = order.filter(({ id }) => rows.has(id));
      return removed;
    },

    async remove(id, seen) {
      const row = rows.get(id);
      if (row?.version !== seen) return false;
      unindex(row);
      rows.delete(id);
      order = order.filter((one) => one.id !== id);
      return true;
    },

    async agree(name, value) {
      return of(agreed, name, () => value);
    },

    async close() {
      for (const kept of [rows, idsByKey, queues, countsByQueue]) kept.clear();
      order = [];
      finished = createTimeline();
    },
  };
}

/** Where the first is that arrived then or later. */
function firstFrom(order: readonly Pick<KeptRow, "arrival">[], arrival: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((order[middle]?.arrival ?? Infinity) < arrival) low = middle + 1;
    else high = middle;
  }
  return low;
}

function matches(row: StoreRow, { writerId, states, announced, decidedBy }: DeliveryFilter): boolean {
  return (
    (writerId === undefined || row.queue === writerId) &&
    (states === undefined || states.includes(row.state)) &&
    (announced === undefined || row.announced === announced) &&
    (decidedBy === undefined || row.decidedBy === decidedBy)
  );
}
