import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createMemoryStore, type DeliveryStore } from "../../../src/lib";
import { breakable } from "./breakable-store";
import { createBench, succeed, told } from "./runner-bench";

// The runner waits for seconds until it asks a broken store again.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** Nobody but the claimer can end a claim here, as in a file. */
function broken() {
  const inner = createMemoryStore();
  const faulty = breakable(inner);
  const attempt = vi.fn(succeed);
  return { ...createBench(inner), ...faulty, inner, attempt };
}

test("a result that cannot be settled until the close is over is settled later, told once and not sent again", async () => {
  const { break: breakStore, accept, start, store, attempt, announced, state } = broken();
  breakStore("settle", Infinity);
  const runner = start({ store, attempt });
  const { id } = await accept();
  await pass(10);
  const closed = runner.close({ graceMs: 1_000 });
  await pass(20_000);
  await closed;
  start({ store, attempt });
  await pass(60_000);
  expect(await state(id)).toBe("sending");
  breakStore("settle", 0);
  await pass(200_000);
  expect(await state(id)).toBe("delivered");
  expect(told(announced)).toEqual([`${id} delivered`]);
  expect(attempt).toHaveBeenCalledTimes(1);
});

test("what was claimed while a runner was closed goes to the next one, though it could not be given back at once", async () => {
  const { break: breakStore, accept, start, store, attempt, announced } = broken();
  let open = () => {};
  const answered = new Promise<void>((resolve) => {
    open = resolve;
  });
  const claim: DeliveryStore["claim"] = async (...request) => {
    const claims = await store.claim(...request);
    await answered;
    return claims;
  };
  const { id } = await accept();
  const runner = start({ store: { ...store, claim }, attempt });
  await pass(10);
  breakStore("settle", 2);
  const closed = runner.close({ graceMs: 100 });
  open();
  await pass(20_000);
  await closed;
  start({ store, attempt });
  await pass(60_000);
  expect(told(announced)).toEqual([`${id} delivered`]);
  expect(attempt).toHaveBeenCalledTimes(1);
});
