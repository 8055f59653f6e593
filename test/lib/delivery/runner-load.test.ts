import { expect, test, vi } from "vitest";
import { createMemoryStore, type Delivery } from "../../../src/lib";
import { createBench, draftOf, poll, receipt, succeed } from "./runner-bench";

const waiting = 10_000;

test("ten thousand waiting deliveries cost one timer and little memory, and come in order", async () => {
  vi.useFakeTimers();
  try {
    const store = createMemoryStore();
    const { start } = createBench(store);
    const before = process.memoryUsage().heapUsed;
    const start0 = Date.now();
    for (let n = 0; n < waiting; n++) {
      const { id } = await store.refuse(draftOf(), { kind: "unavailable", message: "No.", retryable: true });
      // Not in the order of their times.
      await store.retryAt(id, start0 + 3_600_000 + ((n * 7_919) % waiting) * 100);
    }
    const order: number[] = [];
    const attempt = vi.fn(async ({ dueAt }: Delivery) => {
      order.push(dueAt);
      return receipt;
    });
    start({ attempt });
    await vi.advanceTimersByTimeAsync(1);
    expect(vi.getTimerCount()).toBe(1);
    expect((process.memoryUsage().heapUsed - before) / waiting).toBeLessThan(10_000);
    await vi.advanceTimersByTimeAsync(3_590_000);
    expect(attempt).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(order.length).toBeGreaterThan(50);
    expect(order).toEqual(order.toSorted((one, other) => one - other));
    expect(order.at(-1)).toBeLessThanOrEqual(Date.now());
    expect(await store.counts()).toMatchObject({ waiting: waiting - order.length, delivered: order.length });
  } finally {
    vi.useRealTimers();
  }
});

test("a thousand queued deliveries run through quickly, each once", async () => {
  const { store, start, announced } = createBench();
  const drafts = Array.from({ length: 1_000 }, () => draftOf());
  for (const draft of drafts) await store.accept(draft);
  const attempt = vi.fn(succeed);
  const startedMs = performance.now();
  start({ attempt });
  await poll(() => announced.length).toBe(1_000);
  expect(performance.now() - startedMs).toBeLessThan(3_000);
  expect(attempt).toHaveBeenCalledTimes(1_000);
  expect(announced.map(({ id }) => id)).toEqual(drafts.map(({ id }) => id));
});
