import type { ErrorRecord } from "../errors";
import type { Attempt, Delivery, DeliveryDraft, DeliveryState, Receipt } from "../types";

/** A claimed delivery. It is the claimer's until `expiresAt` unless it is extended. */
export interface Lease {
  readonly deliveryId: string;
  readonly owner: string;
  /** The delivery's version at the claim; whoever settles must hold it. */
  readonly version: number;
  readonly expiresAt: number;
}

export interface Claim {
  lease: Lease;
  delivery: Delivery;
}

/** How an attempt ended. `released` gives the delivery back uncounted, to be tried again at once. */
export type Settlement =
  | { state: "delivered" | "skipped"; attempt: Attempt; receipt: Receipt }
  | { state: "failed"; attempt: Attempt; error: ErrorRecord }
  | { state: "cancelled"; error: ErrorRecord }
  | { state: "released" };

export interface DeliveryFilter {
  writerId?: string;
  states?: readonly DeliveryState[];
  announced?: boolean;
  decidedBy?: string;
}

export interface DeliveryPage {
  deliveries: Delivery[];
  /** Pass it to `list` for the next page; absent on the last one. */
  next?: string;
}

export type DeliveryCounts = Record<DeliveryState, number>;

/**
 * Remembers deliveries. A delivery's *queue* is the id of the writer it was accepted for.
 *
 * Every change is guarded: whoever settles must hold the lease, whoever decides on a failed delivery
 * must see it failed. A method that changes nothing because of that returns undefined.
 * What it gives out are snapshots: changing one changes nothing here, if it can be changed at all.
 * A delivery whose record is damaged stands in nobody's way: it fails, with the error's code `UNREADABLE`,
 * when its turn comes.
 * @throws DeliveryError `local` when the store itself cannot do its work; nothing is then acknowledged.
 */
export interface DeliveryStore {
  /**
   * In milliseconds: how often to look for what other processes have put into it or left behind. Absent
   * where only this process works with it.
   */
  readonly lookEveryMs?: number;
  /**
   * Takes a delivery; when this resolves it is kept. `duplicate` is true, and `delivery` the earlier
   * one, when its id or its once-key was taken before.
   */
  accept(draft: DeliveryDraft): Promise<{ delivery: Delivery; duplicate: boolean }>;
  /**
   * Keeps a delivery that cannot even be tried, as `failed` with no attempt. It holds no once-key. When
   * its id was taken before, nothing changes and the earlier delivery comes back.
   */
  refuse(draft: DeliveryDraft, error: ErrorRecord): Promise<Delivery>;
  /**
   * Takes up to `limit` deliveries of the queue that are due, oldest due time first. What is queued is due
   * whatever the clock says. When the clock is set back, what waits is due as much sooner, unless several
   * processes share the store: their times are not one clock's.
   */
  claim(queue: string, owner: string, limit: number): Promise<Claim[]>;
  extend(lease: Lease): Promise<Lease | undefined>;
  settle(claim: Claim, settlement: Settlement): Promise<Delivery | undefined>;
  /** A failed delivery waits until `dueAt`, unless another one has taken its once-key meanwhile. */
  retryAt(id: string, dueAt: number): Promise<Delivery | undefined>;
  /**
   * What waits is due at once, and so is what has failed while nobody has decided. Not what was refused, of
   * which no content was kept.
   */
  retryNow(id: string): Promise<Delivery | undefined>;
  /** A failed delivery is not tried again: why, in a sentence, and who says so and will announce it. */
  giveUp(id: string, decision: { reason: string; by: string }): Promise<Delivery | undefined>;
  /** Ends a delivery that is queued or waiting. One that is being sent is its runner's to stop. */
  cancel(id: string, reason: ErrorRecord): Promise<Delivery | undefined>;
  /** Notes that the flow was told of the state the delivery had at `version`. */
  markAnnounced(id: string, version: number): Promise<void>;
  /**
   * Takes over the announcement of what was not announced at `version`. Undefined when somebody else has,
   * or has changed the delivery.
   */
  takeAnnouncement(id: string, version: number): Promise<Delivery | undefined>;
  get(id: string): Promise<Delivery | undefined>;
  /** Newest first. */
  list(filter: DeliveryFilter, options?: { limit?: number; after?: string }): Promise<DeliveryPage>;
  counts(queue?: string): Promise<DeliveryCounts>;
  /** When `claim` next has something to give: the earliest due time, or end of a lease; undefined for never. */
  nextDueAt(queue: string): Promise<number | undefined>;
  /**
   * Forgets those that were announced and have ended, or have failed and nobody decided, when they
   * finished longer ago than this or are more than this, those that finished first. Returns how many.
   */
  prune(limits: { olderThanMs: number; keep: number }): Promise<number>;
  /**
   * Forgets a delivery that has ended and was told of, with its once-key, before its time. Returns false when it
   * has changed, or is not there.
   */
  forget(delivery: Delivery): Promise<boolean>;
  /**
   * Calls back, after the change, whenever a delivery of any queue changes. What the listener throws is
   * ignored. Returns the way to stop.
   */
  onChange(listener: (delivery: Delivery) => void): () => void;
  /**
   * What all who share the store say of something: the value that was proposed first, for good.
   * @param name at most 100 characters
   * @param value at most 100 characters
   */
  agree(name: string, value: string): Promise<string>;
  close(): Promise<void>;
}
