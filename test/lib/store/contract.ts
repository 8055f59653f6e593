import { randomUUID } from "node:crypto";
import { afterEach, describe, expect } from "vitest";
import type {
  Attempt,
  Claim,
  Delivery,
  DeliveryDraft,
  DeliveryStore,
  ErrorRecord,
  Receipt,
} from "../../../src/lib";
import { acceptCases } from "./contract-accept";
import { againCases } from "./contract-again";
import { clockCases } from "./contract-clock";
import { decisionCases } from "./contract-decisions";
import { readingCases } from "./contract-reading";
import { workCases } from "./contract-work";

export interface StoreHarness {
  /** `memory`, `sqlite`. */
  readonly name: string;
  /** An empty store that takes the time, in milliseconds since the epoch, from `now` only. */
  createStore(options: { now: () => number }): DeliveryStore | Promise<DeliveryStore>;
  /** Opens the store that was made last, as the next process does. Absent where nothing of it is left. */
  openAgain?(options: { now: () => number }): DeliveryStore | Promise<DeliveryStore>;
  /** How long a claim lasts unless it is extended. Absent when claims last as long as the process. */
  leaseMs?: number;
}

/** What a case works with: a store of its own, on a clock of its own. */
export interface StoreBench {
  readonly store: DeliveryStore;
  readonly leaseMs: number | undefined;
  now(): number;
  advance(ms: number): void;
  /** Accepts a delivery of the queue `writer`, a millisecond after the one before. */
  accept(changes?: Partial<DeliveryDraft>): Promise<Delivery>;
  claimOne(queue?: string, owner?: string): Promise<Claim>;
  deliver(queue?: string): Promise<Delivery>;
  fail(queue?: string): Promise<Delivery>;
  /** The delivery as the store has it now. */
  current(id: string): Promise<Delivery>;
  /** Closes the store, and gives that of the next process, if it finds what this one has left. */
  restart(): Promise<StoreBench | undefined>;
}

export type CreateBench = () => Promise<StoreBench>;

/** Registers the cases that every store must pass. */
export function describeStoreContract(harness: StoreHarness): void {
  const stores: DeliveryStore[] = [];
  const createBench: CreateBench = async () => {
    let nowMs = Date.UTC(2024, 1, 29, 12);
    const clock = {
      now: () => nowMs,
      advance: (ms: number) => {
        nowMs += ms;
      },
    };
    const create = async (open: StoreHarness["createStore"]): Promise<StoreBench> => {
      const store = await open(clock);
      stores.push(store);
      const restart = async () => {
        await store.close();
        return harness.openAgain && create(harness.openAgain);
      };
      return { ...benchOf(store, harness.leaseMs, clock), restart };
    };
    return create(harness.createStore);
  };

  describe(`store contract: ${harness.name}`, () => {
    afterEach(async () => {
      for (const store of stores.splice(0)) await store.close();
    });
    describe("accept and refuse", () => acceptCases(createBench));
    describe("claim and settle", () => workCases(createBench, harness.leaseMs));
    describe("a clock that is set back", () => clockCases(createBench, harness.leaseMs));
    describe("decisions", () => decisionCases(createBench));
    describe("sending again", () => againCases(createBench));
    describe("looking and tidying", () => readingCases(createBench));
  });
}

export function draftOf(changes: Partial<DeliveryDraft> = {}): DeliveryDraft {
  return {
    id: randomUUID(),
    writer: { id: "writer", type: "test", name: "A writer" },
    source: { kind: "text", name: "report.txt", text: "content" },
    target: "folder/report.txt",
    location: "test:/folder/report.txt",
    metadata: { title: "Report" },
    attributes: {},
    ...changes,
  };
}

export const attempt: Attempt = { n: 1, startedAt: 1, elapsedMs: 2 };
export const errorRecord: ErrorRecord = {
  kind: "unavailable",
  message: "Nothing answers there.",
  retryable: true,
};
export const cancelRecord: ErrorRecord = { kind: "cancelled", message: "It was cancelled.", retryable: true };
export const receipt: Receipt = {
  location: "test:/folder/report.txt",
  outcome: "delivered",
  bytes: 7,
  sha256: "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
  verified: "size",
  notes: ["It was renamed."],
};

function benchOf(
  store: DeliveryStore,
  leaseMs: number | undefined,
  clock: Pick<StoreBench, "now" | "advance">,
): Omit<StoreBench, "restart"> {
  const claimOne: StoreBench["claimOne"] = async (queue = "writer", owner = "owner") => {
    const [claim] = await store.claim(queue, owner, 1);
    if (!claim) throw new Error(`Nothing is due in ${queue}.`);
    return claim;
  };
  const present = (delivery: Delivery | undefined): Delivery => {
    expect(delivery, "a delivery").toBeDefined();
    return delivery as Delivery;
  };
  return {
    store,
    leaseMs,
    ...clock,
    claimOne,
    async accept(changes) {
      clock.advance(1);
      const { delivery, duplicate } = await store.accept(draftOf(changes));
      expect(duplicate, "a duplicate").toBe(false);
      return delivery;
    },
    async deliver(queue) {
      const claim = await claimOne(queue);
      return present(await store.settle(claim, { state: "delivered", attempt, receipt }));
    },
    async fail(queue) {
      const claim = await claimOne(queue);
      const failed = { ...attempt, error: errorRecord };
      return present(await store.settle(claim, { state: "failed", attempt: failed, error: errorRecord }));
    },
    async current(id) {
      return present(await store.get(id));
    },
  };
}
