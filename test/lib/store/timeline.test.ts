import { expect, test } from "vitest";
import { createTimeline } from "../../../src/lib/store/timeline";

test("gives what is due in order of time, then of arrival", () => {
  const timeline = createTimeline();
  for (const [id, at] of [
    ["c", 20],
    ["a", 10],
    ["d", 20],
    ["b", 10],
    ["e", 30],
  ] as const) {
    timeline.add(id, at);
  }
  expect(timeline.firstAt()).toBe(10);
  expect(timeline.first(10, 9)).toEqual([]);
  expect(timeline.first(10, 20)).toEqual(["a", "b", "c", "d"]);
  expect(timeline.first(3, 20)).toEqual(["a", "b", "c"]);
  expect(timeline.first(0, 20)).toEqual([]);
});

test("removes by id, and what is added again takes its new time", () => {
  const timeline = createTimeline();
  timeline.add("a", 10);
  timeline.add("b", 20);
  timeline.add("a", 30);
  expect(timeline.first(10, 100)).toEqual(["b", "a"]);
  timeline.remove("b");
  timeline.remove("b");
  timeline.remove("unknown");
  expect(timeline.first(10, 100)).toEqual(["a"]);
  timeline.remove("a");
  expect(timeline.firstAt()).toBeUndefined();
});

test("is what sorting would make of ten thousand, in moments", () => {
  const timeline = createTimeline();
  const all = Array.from({ length: 10_000 }, (_, n) => ({ id: `${n}`, at: (n * 7_919) % 1_000 }));
  const startedMs = performance.now();
  for (const { id, at } of all) timeline.add(id, at);
  const kept = all.filter((_, n) => n % 3 !== 0);
  for (const [n, { id }] of all.entries()) if (n % 3 === 0) timeline.remove(id);
  const sorted = kept.toSorted((one, other) => one.at - other.at).map(({ id }) => id);
  expect(timeline.first(10_000, Number.POSITIVE_INFINITY)).toEqual(sorted);
  expect(performance.now() - startedMs).toBeLessThan(2_000);
});
