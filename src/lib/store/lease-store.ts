import { uncountedKinds } from "../errors";
import type { Attempt, Delivery, DeliveryDraft, DeliveryState } from "../types";
import type { RowChange, StoreBackend, StoreRow } from "./backend";
import { encodeDraft, encodeProgress } from "./codec";
import type { Claim, DeliveryStore, Settlement } from "./delivery-store";
import { createRests } from "./rests";
import { columnsOf, deliveryOf, readable, rowOf } from "./rows";
import { watchClock } from "./set-back";
import { endedStates, hasEnded } from "./states";

export interface LeaseStoreOptions {
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** How long a claim lasts without being extended. Infinity where nobody else can take the work over. */
  leaseMs: number;
  /** As in `DeliveryStore`. */
  lookEveryMs?: number;
}

/** A store over any backend: every change is a compare-and-set on the version that was seen. */
export function createLeaseStore(backend: StoreBackend, options: LeaseStoreOptions): DeliveryStore {
  const { lookEveryMs } = options;
  // Databases keep whole milliseconds.
  const leaseMs = Math.ceil(options.leaseMs);
  const wholeMs = () => Math.floor((options.now ?? Date.now)());
  const { now, catchUp } = watchClock(wholeMs, backend, { alone: leaseMs === Infinity });
  const listeners = new Set<(delivery: Delivery) => void>();
  const tell = (delivery: Delivery) => {
    for (const listener of listeners) {
      try {
        listener(delivery);
      } catch {
        // The change is kept: whoever only listens cannot make it fail.
      }
    }
    return delivery;
  };

  /** Returns undefined when somebody else has changed the delivery meanwhile. */
  const change = async (
    seen: Delivery,
    changes: Partial<Delivery>,
    further: RowChange["set"] = {},
  ): Promise<Delivery | undefined> => {
    const { finishedAt: _finished, takenAt: _taken, ...unfinished } = seen;
    const changed: Delivery = { ...unfinished, announced: false, ...changes, version: seen.version + 1 };
    if (changed.receipt) delete changed.error;
    const { draft: _, ...columns } = columnsOf(changed);
    const set: RowChange["set"] = { ...columns, progress: encodeProgress(changed), ...further };
    const result = await backend.change({ id: seen.id, seen: seen.version, set });
    return result === "changed" ? tell(changed) : undefined;
  };

  const changeIf = async (
    id: string,
    may: (delivery: Delivery) => boolean,
    changes: Partial<Delivery>,
  ): Promise<Delivery | undefined> => {
    // Who loses the race looks again: the delivery may still be in one of the states.
    for (let seen = 0; ; ) {
      const delivery = await read(id);
      if (!delivery || delivery.version === seen || !may(delivery)) return undefined;
      seen = delivery.version;
      const changed = await change(delivery, changes);
      if (changed) return changed;
    }
  };

  const read = async (id: string): Promise<Delivery | undefined> => {
    const row = await backend.get(id);
    return row && deliveryOf(row);
  };

  const insert = async (draft: DeliveryDraft, changes: Partial<Delivery>) => {
    const at = now();
    const delivery: Delivery = {
      ...draft,
      state: "queued",
      attempts: [],
      begun: 0,
      acceptedAt: at,
      dueAt: at,
      announced: false,
      version: 1,
      ...changes,
    };
    const row = rowOf(delivery);
    const holder = await backend.insert(row);
    // What was kept, not what was given: a message may hold what no store can keep.
    return holder
      ? { delivery: deliveryOf(holder), duplicate: true }
      : { delivery: tell(deliveryOf(row)), duplicate: false };
  };

  const claim = async (row: StoreRow, owner: string): Promise<Claim[]> => {
    const expiresAt = now() + leaseMs;
    const claimed = { owner, claimableAt: Number.isFinite(expiresAt) ? expiresAt : null };
    const seen = readable(row);
    if (!seen) {
      // It would come again and again, and stand in the way of all others.
      const remains = deliveryOf(row);
      await change(remains, { state: "failed", finishedAt: now() }, { draft: encodeDraft(remains) });
      return [];
    }
    const delivery = await change(seen, { state: "sending", begun: seen.begun + 1 }, claimed);
    if (!delivery) return [];
    return [{ delivery, lease: { deliveryId: row.id, owner, version: delivery.version, expiresAt } }];
  };

  return {
    ...(lookEveryMs !== undefined && { lookEveryMs }),
    accept: (draft) => insert(draft, {}),

    async refuse(draft, error) {
      const { onceKey: _, ...keyless } = draft;
      const refused = await insert(keyless, { state: "failed", error, finishedAt: now() });
      return refused.delivery;
    },

    async claim(queue, owner, limit) {
      const claims: Claim[] = [];
      try {
        await catchUp(queue);
        // Of those that somebody else has taken meanwhile, others may make up.
        while (claims.length < limit) {
          const rows = await backend.claimable(queue, now(), limit - claims.length);
          if (rows.length === 0) break;
          const made = await Promise.allSettled(rows.map((row) => claim(row, owner)));
          for (const one of made) if (one.status === "fulfilled") claims.push(...one.value);
          const failed = made.find((one) => one.status === "rejected");
          if (failed) throw failed.reason;
        }
      } catch (error) {
        // Nobody but the caller would ever send or settle what was claimed for him.
        if (claims.length === 0) throw error;
      }
      return claims;
    },

    async extend(lease) {
      const expiresAt = now() + leaseMs;
      const set = { claimableAt: Number.isFinite(expiresAt) ? expiresAt : null };
      const extended = await backend.change({ id: lease.deliveryId, seen: lease.version, set });
      return extended === "changed" ? { ...lease, expiresAt } : undefined;
    },

    // Nobody else can have changed it without changing its version, too.
    settle: ({ delivery }, settlement) => change(delivery, settled(delivery, settlement, now())),

    // Whoever decides knows of it: there is nothing to announce.
    retryAt: (id, dueAt) =>
      changeIf(id, isIn("failed"), { state: "waiting", dueAt: Math.ceil(dueAt), announced: true }),
    retryNow: (id) => changeIf(id, canBeTried, { state: "waiting", dueAt: now(), announced: true }),
    giveUp: (id, { reason, by }) =>
      changeIf(id, isIn("failed"), { state: "gave-up", reason, decidedBy: by, finishedAt: now() }),
    cancel: (id, error) =>
      changeIf(id, isIn("queued", "waiting"), { state: "cancelled", error, finishedAt: now() }),

    async markAnnounced(id, version) {
      await backend.change({ id, seen: version, set: { announced: true } });
    },

    async takeAnnouncement(id, version) {
      const delivery = await read(id);
      if (delivery?.version !== version || delivery.announced) return undefined;
      const { finishedAt } = delivery;
      return change(delivery, { ...(finishedAt !== undefined && { finishedAt }), takenAt: now() });
    },

    get: read,

    async list(filter, { limit = 100, after } = {}) {
      const rows = await backend.list(filter, limit + 1, after === undefined ? Infinity : Number(after));
      const deliveries: Delivery[] = [];
      // Messages can be long, and pages, too.
      const rest = createRests();
      for (const row of rows.slice(0, limit)) {
        deliveries.push(deliveryOf(row));
        await rest();
      }
      const last = rows[limit - 1];
      return rows.length > limit && last ? { deliveries, next: String(last.arrival) } : { deliveries };
    },

    counts: (queue) => backend.counts(queue),
    nextDueAt: (queue) => backend.nextClaimableAt(queue),
    prune: ({ olderThanMs, keep }) =>
      backend.prune([...endedStates, "failed"], now() - Math.ceil(olderThanMs), keep),

    async forget({ id, state, announced, version }) {
      return hasEnded(state) && announced && backend.remove(id, version);
    },

    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    agree: (name, value) => backend.agree(name, value),

    async close() {
      listeners.clear();
      await backend.close();
    },
  };
}

function isIn(...states: DeliveryState[]): (delivery: Delivery) => boolean {
  return ({ state }) => states.includes(state);
}

/** What was refused has no content that could be tried. */
function canBeTried({ state, attempts }: Delivery): boolean {
  return state === "waiting" || (state === "failed" && attempts.length > 0);
}

function settled(delivery: Delivery, settlement: Settlement, at: number): Partial<Delivery> {
  const attempts = (attempt: Attempt) => bounded([...delivery.attempts, attempt]);
  switch (settlement.state) {
    case "released":
      return { state: "queued", dueAt: at };
    case "cancelled":
      return { state: "cancelled", error: settlement.error, finishedAt: at };
    case "failed":
      return {
        state: "failed",
        attempts: attempts(settlement.attempt),
        error: settlement.error,
        finishedAt: at,
      };
    default:
      return {
        state: settlement.state,
        attempts: attempts(settlement.attempt),
        receipt: settlement.receipt,
        finishedAt: at,
      };
  }
}

/** What is wrong with this machine can go on for long, and recur often: a record must not grow without an end. */
const mostUncounted = 100;

function bounded(attempts: Attempt[]): Attempt[] {
  const uncounted = attempts.filter(({ error }) => error && uncountedKinds.includes(error.kind));
  const [oldest] = uncounted;
  return uncounted.length > mostUncounted ? attempts.filter((attempt) => attempt !== oldest) : attempts;
}
