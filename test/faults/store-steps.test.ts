import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createMemoryWriter,
  createSpool,
  type Delivery,
  type DeliveryDraft,
  DeliveryError,
  DeliveryRunner,
  type DeliveryStore,
  retryDelivery,
  standardPolicy,
  writerAttempt,
} from "../../src/lib";
import { createLeaseStore } from "../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../src/lib/store/memory";
import { type FailingStep, failingBackend } from "./failing-backend";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "store-steps-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface FailingStore {
  store: DeliveryStore;
  calls(): readonly string[];
}

/** As on a server: a claim that nobody knows of ends by itself. */
function leasesInMemory(step: FailingStep): FailingStore {
  const { backend, calls } = failingBackend(createMemoryBackend(), step);
  return { store: createLeaseStore(backend, { leaseMs: 2_000, lookEveryMs: 500 }), calls: () => calls };
}

interface Clock {
  pass: (ms: number) => Promise<unknown>;
  /** After so long without news the runner is another one. */
  roundMs: number;
}

const content = "what is delivered";
const policy = { ...standardPolicy, firstDelayMs: 10, jitter: 0 };

/** A delivery that fails once, waits, and is then delivered. Whoever is told of nothing begins again. */
async function life(store: DeliveryStore, { pass, roundMs }: Clock) {
  const files = new Map<string, Uint8Array>();
  const writer = createMemoryWriter({ files });
  const attempt = writerAttempt(writer, { spool: createSpool({ folder: join(folder, "spool") }) });
  const told: Delivery[] = [];
  let writes = 0;
  const start = () => {
    const runner = new DeliveryRunner({
      queue: "writer",
      store,
      attempt(delivery, context) {
        if (writes++ === 0) throw new DeliveryError("unavailable", "The server is busy.");
        return attempt(delivery, context);
      },
      async announce(delivery) {
        if (delivery.state === "failed") await retryDelivery(store, { id: delivery.id, policy, by: "retry" });
        else told.push(delivery);
      },
    });
    runner.start();
    return runner;
  };
  let runner = start();
  await untilKept(runner, draft);
  for (let round = 1; round <= 3; round++) {
    for (let ms = 0; ms < roundMs && told.length === 0; ms += 100) await pass(100);
    if (told.length > 0 || round === 3) break;
    // Only the next runner tells what this one could not.
    await runner.close({ graceMs: 0 });
    runner = start();
  }
  await pass(100);
  await runner.close();
  // The call that fails may be this one.
  const kept = await store.get(draft.id).catch(() => store.get(draft.id));
  await store.close();
  return { states: told.map(({ state }) => state), kept: kept?.state, files };
}

const draft: DeliveryDraft = {
  id: randomUUID(),
  writer: { id: "writer", type: "memory", name: "A writer" },
  source: { kind: "text", name: "a.txt", text: content },
  target: "a.txt",
  location: "memory:/a.txt",
  metadata: {},
  attributes: {},
};

/** Who was told no asks again. */
async function untilKept(runner: DeliveryRunner, wanted: DeliveryDraft): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await runner.accept(wanted);
      return;
    } catch (error) {
      expect(error).toMatchObject({ kind: "local" });
      expect(tries, "only one call fails").toBe(1);
    }
  }
}

const patience = { timeout: 240_000 };
const whens = ["before", "after"] as const;

async function outcomeOf(step: FailingStep, clock: Clock) {
  const { store, calls } = leasesInMemory(step);
  const { states, kept, files } = await life(store, clock);
  const text = Buffer.from(files.get("a.txt") ?? "").toString();
  const right = states.join() === "delivered" && kept === "delivered" && text === content;
  const call = `${step.step} ${calls()[step.step - 1]}`;
  return {
    struck: calls().length >= step.step,
    broken: right ? [] : [`${call}: ${states}, ${kept}, ${text}`],
  };
}

describe("each call of the store fails once: leases in memory", () => {
  // What was left over is told a minute later.
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
    });
  });
  afterEach(() => void vi.useRealTimers());

  test.each(whens)("%s its work: delivered, told once", patience, async (when) => {
    const broken: string[] = [];
    for (let step = 1, struck = true; struck; step++) {
      const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
      const clock = { pass, roundMs: 100_000 };
      const outcome = await outcomeOf({ step, when }, clock);
      struck = outcome.struck;
      broken.push(...outcome.broken);
    }
    expect(broken).toEqual([]);
  });
});
