import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLeaseStore } from "../../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../../src/lib/store/memory";
import { createBench, told } from "./runner-bench";

let finish: () => void;
let finished: Promise<void>;

beforeEach(() => {
  vi.useFakeTimers();
  finished = new Promise((resolve) => {
    finish = resolve;
  });
});
afterEach(() => {
  vi.useRealTimers();
  finish();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** Whoever is told takes it over for as long as the test says. */
function slowlyTaken() {
  const bench = createBench();
  const takenOver = vi.fn(() => finished);
  const start = (changes = {}) => bench.start({ settleMs: 1_000, takenOver, ...changes });
  return { ...bench, start, takenOver };
}

test("a result counts as told when whoever was told has taken it over, however long that takes", async () => {
  const { store, start, accept, takenOver, announced } = slowlyTaken();
  start();
  const { id } = await accept();
  await pass(900);
  expect(takenOver).not.toHaveBeenCalled();
  await pass(30_000);
  expect(takenOver).toHaveBeenCalledTimes(1);
  expect(await store.get(id)).toMatchObject({ state: "delivered", announced: false });
  finish();
  await pass(1);
  expect(await store.get(id)).toMatchObject({ state: "delivered", announced: true });
  expect(told(announced)).toEqual([`${id} delivered`]);
});

test("should the process die before that, the next one tells it again", async () => {
  const { start, accept, announced } = slowlyTaken();
  start();
  const { id } = await accept();
  await pass(30_000);
  // As after a kill: nothing of the first runner is asked any more, and nobody is taking anything over.
  start({ takenOver: async () => {} });
  await pass(1_000);
  expect(told(announced)).toEqual([`${id} delivered`, `${id} delivered`]);
});

test("after a deploy the next one does not tell it as long as somebody is taking it over", async () => {
  const { store, start, accept, announced } = slowlyTaken();
  const before = start();
  const { id } = await accept();
  const other = await accept();
  await pass(2_000);
  const closing = before.close({ graceMs: 5_000 });
  await pass(20_000);
  await closing;
  start();
  await accept({ target: "new" });
  await pass(10 * 60_000);
  expect(told(announced).filter((one) => one.startsWith(id))).toEqual([`${id} delivered`]);
  expect(told(announced).filter((one) => one.startsWith(other.id))).toHaveLength(1);
  // Nobody waits with new work for that.
  expect(announced).toHaveLength(3);
  finish();
  await pass(10_000);
  expect(await store.get(id)).toMatchObject({ announced: true });
  expect(announced).toHaveLength(3);
});

test("other processes do not tell it meanwhile, as long as this one lives", async () => {
  const store = createLeaseStore(createMemoryBackend(), { leaseMs: 30_000, lookEveryMs: 2_000 });
  const bench = createBench(store);
  const takenOver = vi.fn(() => finished);
  let alive = true;
  const takeAnnouncement: typeof store.takeAnnouncement = (id, version) =>
    alive ? store.takeAnnouncement(id, version) : new Promise(() => {});
  bench.start({ store: { ...store, takeAnnouncement }, settleMs: 1_000, takenOver });
  const { id } = await bench.accept();
  await pass(100);
  bench.start({ settleMs: 1_000, takenOver: async () => {} });
  await pass(10 * 60_000);
  expect(told(bench.announced)).toEqual([`${id} delivered`]);
  expect(await store.get(id)).toMatchObject({ state: "delivered", announced: false });
  // Once it does not, another one does.
  alive = false;
  await pass(3 * 60_000);
  expect(told(bench.announced)).toEqual([`${id} delivered`, `${id} delivered`]);
  finish();
  await pass(1_000);
  expect(await store.get(id)).toMatchObject({ announced: true });
  expect(vi.getTimerCount()).toBe(2);
});

test.each([
  ["long before its end", 5 * 60_000],
  ["just before its end", 25_000],
])(
  "an answer of the store that is lost %s is nobody's decision: it is not told again",
  async (_, takesMs) => {
    const store = createLeaseStore(createMemoryBackend(), { leaseMs: 30_000, lookEveryMs: 2_000 });
    const bench = createBench(store);
    let lost = 1;
    const takeAnnouncement: typeof store.takeAnnouncement = async (id, version) => {
      const taken = await store.takeAnnouncement(id, version);
      if (lost-- > 0) throw new Error("The answer was lost.");
      return taken;
    };
    bench.start({ store: { ...store, takeAnnouncement }, settleMs: 1_000, takenOver: () => finished });
    bench.start({ settleMs: 1_000, takenOver: () => finished });
    const { id } = await bench.accept();
    await pass(takesMs);
    expect(told(bench.announced)).toEqual([`${id} delivered`]);
    finish();
    await pass(30_000);
    expect(await store.get(id)).toMatchObject({ announced: true });
    await pass(5 * 60_000);
    expect(told(bench.announced)).toEqual([`${id} delivered`]);
  },
);

test("while nothing else can run, nobody's time to begin passes", async () => {
  const { store, start, accept, takenOver } = slowlyTaken();
  start();
  const { id } = await accept();
  await pass(1);
  // One turn of the event loop in which a minute passes.
  vi.setSystemTime(Date.now() + 60_000);
  await vi.advanceTimersToNextTimerAsync();
  expect(takenOver).not.toHaveBeenCalled();
  expect(await store.get(id)).toMatchObject({ announced: false });
});
