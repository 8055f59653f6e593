import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createMemoryStore, createSqliteStore, type DeliveryStore } from "../../../src/lib";
import { createLeaseStore } from "../../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../../src/lib/store/memory";
import { createBench, createGate, poll } from "./runner-bench";

const hourMs = 3_600_000;
const folder = mkdtempSync(path.join(tmpdir(), "runner-clock-"));

// Timers go on as they do: a machine whose clock is set waits no longer than any other.
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

const stores: Record<string, () => DeliveryStore> = {
  memory: () => createMemoryStore(),
  SQLite: () => createSqliteStore({ file: path.join(folder, "deliveries.sqlite") }),
  "leases that end": () => createLeaseStore(createMemoryBackend(), { leaseMs: 30_000, lookEveryMs: 50 }),
};

test.each(Object.keys(stores))(
  "when the clock is set back an hour, what is queued goes on at once (%s)",
  async (name) => {
    const store = (stores[name] as () => DeliveryStore)();
    const { start, accept, reaches } = createBench(store);
    const gate = createGate();
    const runner = start({ attempt: gate.attempt, concurrency: 1 });
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      vi.setSystemTime(Date.now() + 10);
      ids.push((await accept()).id);
    }
    await poll(() => gate.inside.length).toBe(1);
    vi.setSystemTime(Date.now() - hourMs);
    ids.push((await accept()).id);
    gate.open();
    for (const id of ids) await reaches(id, "delivered");
    expect(gate.most).toBe(1);
    await runner.close();
    await store.close();
  },
);

test("what was queued when the process ended goes on in the next one, whose clock is an hour behind", async () => {
  const first = createBench((stores.SQLite as () => DeliveryStore)());
  const ids = [(await first.accept()).id, (await first.accept()).id];
  const gate = createGate();
  const interrupted = first.start({ attempt: gate.attempt, concurrency: 1 });
  await poll(() => gate.inside.length).toBe(1);
  vi.setSystemTime(Date.now() + 5);
  await interrupted.close({ graceMs: 0 });
  await first.store.close();
  vi.setSystemTime(Date.now() - hourMs);
  const store = (stores.SQLite as () => DeliveryStore)();
  const second = createBench(store);
  const runner = second.start();
  for (const id of ids) await second.reaches(id, "delivered");
  await runner.close();
  await store.close();
});
