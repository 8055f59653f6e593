import { randomUUID } from "node:crypto";
import { afterEach, expect } from "vitest";
import {
  type AttemptContext,
  type AttemptFunction,
  createMemoryStore,
  type Delivery,
  type DeliveryDraft,
  type DeliveryError,
  DeliveryRunner,
  type DeliveryState,
  type DeliveryStore,
  type Receipt,
  type RunnerOptions,
} from "../../../src/lib";

export const receipt: Receipt = {
  location: "test:/report.txt",
  outcome: "delivered",
  bytes: 7,
  sha256: "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
  verified: "size",
  notes: [],
};

/** Looks often, and with patience: machines can be busy. */
export const poll = <T>(look: () => T) => expect.poll(look, { interval: 2, timeout: 8_000 });

export const succeed: AttemptFunction = async () => receipt;

/** An attempt that ends when the test says so, or when it is aborted. */
export interface Gate {
  readonly attempt: AttemptFunction;
  /** Those under way. */
  readonly inside: Delivery[];
  /** The most there ever were. */
  readonly most: number;
  open(): void;
}

export function createGate({ deaf = false } = {}): Gate {
  const inside: Delivery[] = [];
  let most = 0;
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const aborted = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      const fail = () => reject(new Error("The socket was closed."));
      if (signal.aborted) fail();
      signal.addEventListener("abort", fail);
    });
  return {
    inside,
    get most() {
      return most;
    },
    open: () => open(),
    async attempt(delivery, { signal }: AttemptContext) {
      inside.push(delivery);
      most = Math.max(most, inside.length);
      try {
        await (deaf ? opened : Promise.race([opened, aborted(signal)]));
        return receipt;
      } finally {
        inside.splice(inside.indexOf(delivery), 1);
      }
    },
  };
}

export interface RunnerBench {
  readonly store: DeliveryStore;
  /** What was announced, in order. */
  readonly announced: Delivery[];
  readonly problems: DeliveryError[];
  /** A started runner of the queue `writer`. It is closed after the test. */
  start(options?: Partial<RunnerOptions>): DeliveryRunner;
  accept(changes?: Partial<DeliveryDraft>): Promise<Delivery>;
  state(id: string): Promise<DeliveryState | undefined>;
  /** Resolves when the delivery is in that state and, if it is one to be announced, that was done. */
  reaches(id: string, state: DeliveryState): Promise<Delivery>;
}

const runners: DeliveryRunner[] = [];

afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.close({ graceMs: 0 });
});

export function createBench(store: DeliveryStore = createMemoryStore()): RunnerBench {
  const announced: Delivery[] = [];
  const problems: DeliveryError[] = [];
  const unannounced: DeliveryState[] = ["queued", "sending", "waiting", "gave-up"];
  return {
    store,
    announced,
    problems,
    start(options = {}) {
      const runner = new DeliveryRunner({
        queue: "writer",
        store,
        attempt: succeed,
        announce: (delivery) => {
          announced.push(delivery);
        },
        ...options,
      });
      runners.push(runner);
      runner.on("problem", (problem) => problems.push(problem));
      runner.start();
      return runner;
    },
    async accept(changes) {
      return (await store.accept(draftOf(changes))).delivery;
    },
    async state(id) {
      return (await store.get(id))?.state;
    },
    async reaches(id, state) {
      await poll(async () => (await store.get(id))?.state).toBe(state);
      if (!unannounced.includes(state)) {
        await poll(async () => (await store.get(id))?.announced).toBe(true);
      }
      return (await store.get(id)) as Delivery;
    },
  };
}

export function draftOf(changes: Partial<DeliveryDraft> = {}): DeliveryDraft {
  return {
    id: randomUUID(),
    writer: { id: "writer", type: "test", name: "A writer" },
    source: { kind: "text", name: "report.txt", text: "content", size: 7 },
    target: "report.txt",
    location: "test:/report.txt",
    metadata: {},
    attributes: {},
    ...changes,
  };
}

/** `id state` of each. */
export function told(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ id, state }) => `${id} ${state}`);
}
