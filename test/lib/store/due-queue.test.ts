import { expect, test } from "vitest";
import { createDueQueue } from "../../../src/lib/store/due-queue";

test("gives what is due in order of time, then of arrival", () => {
  const queue = createDueQueue();
  for (const [id, dueAt] of [
    ["c", 20],
    ["a", 10],
    ["d", 20],
    ["b", 10],
    ["e", 30],
  ] as const) {
    queue.add(id, dueAt);
  }
  expect(queue.nextDueAt()).toBe(10);
  expect(queue.due(9, 10)).toEqual([]);
  expect(queue.due(20, 10)).toEqual(["a", "b", "c", "d"]);
  expect(queue.due(20, 3)).toEqual(["a", "b", "c"]);
  expect(queue.due(20, 0)).toEqual([]);
});

test("removes by id, and what is added again takes its new time", () => {
  const queue = createDueQueue();
  queue.add("a", 10);
  queue.add("b", 20);
  queue.add("a", 30);
  expect(queue.due(100, 10)).toEqual(["b", "a"]);
  queue.remove("b");
  queue.remove("b");
  queue.remove("unknown");
  expect(queue.due(100, 10)).toEqual(["a"]);
  queue.remove("a");
  expect(queue.nextDueAt()).toBeUndefined();
});

test("is what sorting would make of ten thousand, in moments", () => {
  const queue = createDueQueue();
  const all = Array.from({ length: 10_000 }, (_, n) => ({ id: `${n}`, dueAt: (n * 7_919) % 1_000 }));
  const startedMs = performance.now();
  for (const { id, dueAt } of all) queue.add(id, dueAt);
  const kept = all.filter((_, n) => n % 3 !== 0);
  for (const [n, { id }] of all.entries()) if (n % 3 === 0) queue.remove(id);
  const sorted = kept.toSorted((one, other) => one.dueAt - other.dueAt).map(({ id }) => id);
  expect(queue.due(Number.POSITIVE_INFINITY, 10_000)).toEqual(sorted);
  expect(performance.now() - startedMs).toBeLessThan(2_000);
});
