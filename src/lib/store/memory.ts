import type { Attempt, Delivery, DeliveryDraft, DeliveryState } from "../types";
import type { Claim, DeliveryCounts, DeliveryStore, Lease, Settlement } from "./delivery-store";
import { createDueQueue, type DueQueue } from "./due-queue";
import { snapshotOf } from "./snapshot";

/** States in which a once-key belongs to its delivery. */
const keyHolders: ReadonlySet<DeliveryState> = new Set([
  "queued",
  "sending",
  "waiting",
  "delivered",
  "skipped",
]);
const endedStates: ReadonlySet<DeliveryState> = new Set(["delivered", "skipped", "gave-up", "cancelled"]);
const claimableStates: ReadonlySet<DeliveryState> = new Set(["queued", "waiting"]);

/**
 * Keeps deliveries in this process: they survive redeploys, not restarts. What has ended and was
 * announced keeps its record, while its content and message are let go.
 * @param now milliseconds since the epoch
 */
export function createMemoryStore({ now = Date.now }: { now?: () => number } = {}): DeliveryStore {
  const deliveries = new Map<string, Delivery>();
  /** When each came, counted from 1: a place in a list that stays even when its delivery is forgotten. */
  const arrivals = new Map<string, number>();
  let arrived = 0;
  const onceKeys = new Map<string, string>();
  const queues = new Map<string, DueQueue>();
  const leases = new Map<string, Lease>();
  const listeners = new Set<(delivery: Delivery) => void>();
  const countsByQueue = new Map<string, DeliveryCounts>();

  const queueOf = (id: string): DueQueue => {
    const queue = queues.get(id) ?? createDueQueue();
    queues.set(id, queue);
    return queue;
  };

  const count = ({ writer, state }: Delivery, by: 1 | -1): void => {
    const counts = countsByQueue.get(writer.id) ?? noCounts();
    countsByQueue.set(writer.id, counts);
    counts[state] += by;
  };

  const tell = (delivery: Delivery): void => {
    for (const listener of listeners) {
      try {
        listener(delivery);
      } catch {
        // The change has happened: whoever made it must not be told otherwise.
      }
    }
  };

  /** The one place where a delivery changes. What callers hold is never changed under them. */
  const change = (delivery: Delivery, changes: Partial<Delivery>): Delivery => {
    const version = delivery.version + 1;
    const changed = Object.freeze(withoutThePast({ ...delivery, announced: false, ...changes, version }));
    if (deliveries.has(delivery.id)) count(delivery, -1);
    deliveries.set(changed.id, changed);
    count(changed, 1);
    const queue = queueOf(changed.writer.id);
    if (claimableStates.has(changed.state)) queue.add(changed);
    else queue.remove(changed.id);
    tell(changed);
    return changed;
  };

  const changeIf = (id: string, states: DeliveryState[], changes: Partial<Delivery>) => {
    const delivery = deliveries.get(id);
    return delivery && states.includes(delivery.state) ? change(delivery, changes) : undefined;
  };

  const insert = ({ message, ...draft }: DeliveryDraft, changes: Partial<Delivery>): Delivery => {
    const at = now();
    const fresh: Delivery = {
      ...snapshotOf(draft),
      ...(message !== undefined && { message }),
      state: "queued",
      attempts: [],
      acceptedAt: at,
      dueAt: at,
      announced: false,
      version: 0,
    };
    arrivals.set(draft.id, ++arrived);
    return change(fresh, changes);
  };

  const holderOf = (onceKey: string | undefined): Delivery | undefined => {
    const id = onceKey === undefined ? undefined : onceKeys.get(onceKey);
    const holder = id === undefined ? undefined : deliveries.get(id);
    return holder && keyHolders.has(holder.state) ? holder : undefined;
  };

  const arrivalOf = ({ id }: Delivery): number => arrivals.get(id) ?? 0;
  const holds = (lease: Lease): boolean => leases.get(lease.deliveryId)?.version === lease.version;

  return {
    async accept(draft) {
      const earlier = deliveries.get(draft.id) ?? holderOf(draft.onceKey);
      if (earlier) return { delivery: earlier, duplicate: true };
      if (draft.onceKey !== undefined) onceKeys.set(draft.onceKey, draft.id);
      return { delivery: insert(draft, {}), duplicate: false };
    },

    async refuse(draft, error) {
      const earlier = deliveries.get(draft.id);
      return earlier ?? insert(draft, { state: "failed", error: snapshotOf(error), finishedAt: now() });
    },

    async claim(queue, owner, limit) {
      const due = queues.get(queue)?.due(now(), limit) ?? [];
      return due.flatMap((id): Claim[] => {
        const waiting = deliveries.get(id);
        // A listener may have cancelled it while those before it were claimed.
        if (!waiting || !claimableStates.has(waiting.state)) return [];
        const delivery = change(waiting, { state: "sending" });
        const lease: Lease = { deliveryId: id, owner, version: delivery.version, expiresAt: Infinity };
        leases.set(id, lease);
        return [{ lease, delivery }];
      });
    },

    async extend(lease) {
      return holds(lease) ? lease : undefined;
    },

    async settle(lease, settlement) {
      if (!holds(lease)) return undefined;
      leases.delete(lease.deliveryId);
      const delivery = deliveries.get(lease.deliveryId);
      return delivery && change(delivery, settled(delivery, snapshotOf(settlement), now()));
    },

    async retryAt(id, dueAt) {
      const holder = holderOf(deliveries.get(id)?.onceKey);
      if (holder && holder.id !== id) return undefined;
      return changeIf(id, ["failed"], { state: "waiting", dueAt, announced: true });
    },
    async giveUp(id, reason) {
      return changeIf(id, ["failed"], { state: "gave-up", reason, finishedAt: now() });
    },
    async cancel(id, error) {
      return changeIf(id, ["queued", "waiting"], {
        state: "cancelled",
        error: snapshotOf(error),
        finishedAt: now(),
      });
    },

    async markAnnounced(id, version) {
      const delivery = deliveries.get(id);
      if (delivery?.version !== version) return;
      deliveries.set(id, Object.freeze(letGo({ ...delivery, announced: true })));
    },

    async get(id) {
      return deliveries.get(id);
    },

    async list({ writerId, states, announced }, { limit = 100, after } = {}) {
      const before = after === undefined ? Infinity : Number(after);
      const found: Delivery[] = [];
      for (const delivery of [...deliveries.values()].reverse()) {
        if (found.length > limit) break;
        const wanted =
          arrivalOf(delivery) < before &&
          (writerId === undefined || delivery.writer.id === writerId) &&
          (states === undefined || states.includes(delivery.state)) &&
          (announced === undefined || delivery.announced === announced);
        if (wanted) found.push(delivery);
      }
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return found.length > limit && last
        ? { deliveries: page, next: String(arrivalOf(last)) }
        : { deliveries: page };
    },

    async counts(queue) {
      const counts = noCounts();
      for (const [id, some] of countsByQueue) {
        if (queue !== undefined && queue !== id) continue;
        for (const state of Object.keys(some) as DeliveryState[]) counts[state] += some[state];
      }
      return counts;
    },

    async nextDueAt(queue) {
      return queues.get(queue)?.nextDueAt();
    },

    async prune({ olderThanMs, keep }) {
      const ended = [...deliveries.values()]
        .filter(({ state, announced }) => announced && (endedStates.has(state) || state === "failed"))
        .sort((one, other) => finishedAt(one) - finishedAt(other));
      const surplus = ended.length - keep;
      const old = ended.filter(
        (delivery, index) => index < surplus || finishedAt(delivery) < now() - olderThanMs,
      );
      for (const delivery of old) {
        const { id, onceKey } = delivery;
        deliveries.delete(id);
        arrivals.delete(id);
        count(delivery, -1);
        if (onceKey !== undefined && onceKeys.get(onceKey) === id) onceKeys.delete(onceKey);
      }
      return old.length;
    },

    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      listeners.clear();
    },
  };
}

function noCounts(): DeliveryCounts {
  return {
    queued: 0,
    sending: 0,
    waiting: 0,
    failed: 0,
    delivered: 0,
    skipped: 0,
    "gave-up": 0,
    cancelled: 0,
  };
}

function finishedAt(delivery: Delivery): number {
  return delivery.finishedAt ?? 0;
}

/** Who is to be tried again has not finished, and who succeeded has no error. */
function withoutThePast(delivery: Delivery): Delivery {
  const { finishedAt, error, ...rest } = delivery;
  const ended = endedStates.has(delivery.state) || delivery.state === "failed";
  const succeeded = delivery.state === "delivered" || delivery.state === "skipped";
  return {
    ...rest,
    ...(ended && finishedAt !== undefined && { finishedAt }),
    ...(!succeeded && error && { error }),
  };
}

function settled(delivery: Delivery, settlement: Settlement, at: number): Partial<Delivery> {
  const attempts = (attempt: Attempt) => Object.freeze([...delivery.attempts, attempt]) as Attempt[];
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

/** Without this, a thousand delivered files would stay in memory. */
function letGo(delivery: Delivery): Delivery {
  if (!endedStates.has(delivery.state)) return delivery;
  const { message: _, ...record } = delivery;
  const { source } = record;
  if (source.kind === "text") return { ...record, source: { ...source, text: "" } };
  if (source.kind === "bytes") return { ...record, source: { ...source, bytes: new Uint8Array(0) } };
  return record;
}
