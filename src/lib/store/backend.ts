import type { DeliveryState } from "../types";
import type { DeliveryCounts, DeliveryFilter } from "./delivery-store";

/** A delivery as a backend keeps it: what it is found by, and the rest as text. Times are as in `Delivery`. */
export interface StoreRow {
  id: string;
  queue: string;
  state: DeliveryState;
  /** When it may be taken: its due time, or the end of the lease of whoever sends it; null for never. */
  claimableAt: number | null;
  /** Who is sending it. */
  owner: string | null;
  announced: boolean;
  /** The digest of the once-key, while the delivery holds it. No two rows have the same. */
  onceKey: string | null;
  acceptedAt: number;
  finishedAt: number | null;
  /** Who has decided that it is not tried again. */
  decidedBy: string | null;
  version: number;
  draft: string;
  progress: string;
}

/** New values for a row, if it still has the version that the caller has seen. */
export interface RowChange {
  id: string;
  seen: number;
  set: Partial<Omit<StoreRow, "id" | "queue" | "acceptedAt">>;
}

/** A row with its place among all that ever came: later ones have larger numbers. */
export interface KeptRow extends StoreRow {
  arrival: number;
}

export function noCounts(): DeliveryCounts {
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

/**
 * Keeps rows. It knows nothing of deliveries and leases: `createLeaseStore` does.
 * @throws DeliveryError `local` when it cannot do its work
 */
export interface StoreBackend {
  /** Returns the row that has the id or the once-key already, and has then changed nothing. */
  insert(row: StoreRow): Promise<StoreRow | undefined>;
  /**
   * `stale`: the row is not there, or not as it was seen. `key-taken`: another row has the once-key.
   * In both cases nothing has changed; otherwise the change is kept when this resolves.
   */
  change(change: RowChange): Promise<"changed" | "stale" | "key-taken">;
  get(id: string): Promise<StoreRow | undefined>;
  /** Rows that may be taken, in the order in which they could be. */
  claimable(queue: string, nowMs: number, limit: number): Promise<StoreRow[]>;
  /**
   * For a clock that was set back: what of the queue is queued and could be taken after `nowMs` can be taken
   * then, and what waits longer than that `byMs` sooner. That is 0 where several processes share the rows.
   */
  hasten(queue: string, nowMs: number, byMs: number): Promise<void>;
  /** The earliest time at which `claimable` has something to give. */
  nextClaimableAt(queue: string): Promise<number | undefined>;
  /** Newest first, those that arrived before `before`. */
  list(filter: DeliveryFilter, limit: number, before: number): Promise<KeptRow[]>;
  counts(queue: string | undefined): Promise<DeliveryCounts>;
  /** Removes announced rows in these states that ended before `endedBefore`, or before the `keep` newest. */
  prune(states: readonly DeliveryState[], endedBefore: number, keep: number): Promise<number>;
  /** Removes a row that is as it was seen. Returns whether it did. */
  remove(id: string, seen: number): Promise<boolean>;
  /** As in `DeliveryStore`. */
  agree(name: string, value: string): Promise<string>;
  close(): Promise<void>;
}
