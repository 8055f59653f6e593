import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createMemoryStore, DeliveryError } from "../../../src/lib";
import { breakable } from "./breakable-store";
import { createBench, draftOf, succeed, told } from "./runner-bench";

// The runner waits for seconds until it asks a broken store again.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a store that cannot do its work for a while", () => {
  function broken(concurrency = 4) {
    const inner = createMemoryStore();
    const faulty = breakable(inner);
    const attempt = vi.fn(succeed);
    const bench = createBench(inner);
    const runner = bench.start({ store: faulty.store, attempt, concurrency });
    return { ...bench, ...faulty, runner, attempt, inner };
  }

  test("claiming is tried again, without haste", async () => {
    const { break: breakStore, accept, attempt, problems, announced, calls } = broken();
    await pass(1);
    breakStore("claim", 2);
    const before = calls.claim ?? 0;
    const { id } = await accept();
    await pass(9_000);
    expect(attempt).not.toHaveBeenCalled();
    expect((calls.claim ?? 0) - before).toBe(2);
    expect(problems.map(({ kind }) => kind)).toEqual(["local", "local"]);
    await pass(1_100);
    expect(told(announced)).toEqual([`${id} delivered`]);
  });

  test.each(["claim", "settle"] as const)("that it can %s again is told once", async (method) => {
    const { break: breakStore, accept, runner, reaches } = broken();
    const recovered = vi.fn();
    runner.on("recovered", recovered);
    await pass(1);
    breakStore(method, 2);
    const { id } = await accept();
    await pass(9_000);
    expect(recovered).not.toHaveBeenCalled();
    await pass(60_000);
    expect(recovered).toHaveBeenCalledTimes(1);
    await reaches(id, "delivered");
  });

  test("a failing look at the next time does not stop it either", async () => {
    const { break: breakStore, accept, announced, problems } = broken();
    breakStore("nextDueAt", 1);
    await pass(1);
    expect(problems).toHaveLength(1);
    const { id } = await accept();
    await pass(5_100);
    expect(told(announced)).toEqual([`${id} delivered`]);
  });

  test("a result that cannot be settled is settled later, not sent again", async () => {
    const { break: breakStore, accept, attempt, problems, announced, state } = broken();
    breakStore("settle", 3);
    const { id } = await accept();
    await pass(14_000);
    expect(problems).toHaveLength(3);
    expect([await state(id), announced.length]).toEqual(["sending", 0]);
    await pass(1_100);
    expect(await state(id)).toBe("delivered");
    expect(told(announced)).toEqual([`${id} delivered`]);
    expect(attempt).toHaveBeenCalledTimes(1);
  });

  test("many results that wait for it are no leak to be warned of", async () => {
    const warned = vi.fn();
    process.once("warning", warned);
    const { break: breakStore, accept, announced } = broken(20);
    breakStore("settle", 20);
    for (let n = 0; n < 20; n++) await accept();
    await pass(5_100);
    process.off("warning", warned);
    expect(announced).toHaveLength(20);
    expect(warned).not.toHaveBeenCalled();
  });

  test("a failure that cannot be settled stays what it was", async () => {
    const { break: breakStore, accept, attempt, inner } = broken();
    attempt.mockRejectedValueOnce(new DeliveryError("denied", "The password is wrong."));
    breakStore("settle", 1);
    const { id } = await accept();
    await pass(5_100);
    expect(await inner.get(id)).toMatchObject({ state: "failed", error: { kind: "denied" } });
  });

  test("a settlement whose answer was lost is announced all the same, once", async () => {
    const { break: breakStore, accept, attempt, announced } = broken();
    breakStore("settle", 1, "after");
    const { id } = await accept();
    await pass(200_000);
    expect(told(announced)).toEqual([`${id} delivered`]);
    expect(attempt).toHaveBeenCalledTimes(1);
  });

  test.each(["before", "after"] as const)(
    "an announcement noted too late (%s) is made once",
    async (when) => {
      const { break: breakStore, accept, announced, inner, runner } = broken();
      breakStore("markAnnounced", 1, when);
      const { id } = await accept();
      await pass(200_000);
      expect(told(announced)).toEqual([`${id} delivered`]);
      expect((await inner.get(id))?.announced).toBe(true);
      await runner.close();
    },
  );

  test("an announcement that throws is made again after a while, less and less often, once in the end", async () => {
    const inner = createMemoryStore();
    const { start, accept, announced, problems, state } = createBench(inner);
    const announce = vi.fn((delivery: (typeof announced)[number]) => {
      if (announce.mock.calls.length < 7) throw new DeliveryError("local", "The spool cannot be read.");
      announced.push(delivery);
    });
    start({ announce });
    const { id } = await accept();
    const calls: number[] = [];
    // After 0, 5, 15, 35, 75, 135 and 195 s.
    for (const seconds of [1, 5, 10, 20, 40, 60, 60, 600]) {
      await pass(seconds * 1_000);
      calls.push(announce.mock.calls.length);
    }
    expect(calls).toEqual([1, 2, 3, 4, 5, 6, 7, 7]);
    expect(problems).toHaveLength(6);
    expect(await state(id)).toBe("delivered");
    expect(told(announced)).toEqual([`${id} delivered`]);
    expect((await inner.get(id))?.announced).toBe(true);
  });

  test("nor is what was decided on meanwhile, or what cannot be looked at then, told wrongly", async () => {
    const inner = createMemoryStore();
    const { store, break: breakStore } = breakable(inner);
    const { start, accept, announced } = createBench(inner);
    let fails = true;
    start({
      store,
      attempt: () => Promise.reject(new DeliveryError("unavailable", "Busy.")),
      announce: (delivery) => {
        if (fails) throw new DeliveryError("local", "The spool cannot be read.");
        announced.push(delivery);
      },
    });
    const [decided, left] = [await accept(), await accept()];
    await pass(1);
    fails = false;
    await inner.giveUp(decided.id, { reason: "No more.", by: "somebody" });
    breakStore("get", 2);
    await pass(5_100);
    expect(announced).toEqual([]);
    await pass(60_000);
    expect(told(announced)).toEqual([`${left.id} failed`]);
  });

  test("the look for what is left over is made again", async () => {
    const inner = createMemoryStore();
    const { store, break: breakStore } = breakable(inner);
    const { start, accept, announced } = createBench(inner);
    const quiet = start({ announce: () => Promise.reject(new Error("No wire.")) });
    const { id } = await accept();
    await pass(1);
    await quiet.close();
    breakStore("list", 1);
    start({ store });
    await pass(1);
    expect(announced).toEqual([]);
    await pass(130_000);
    expect(told(announced)).toEqual([`${id} delivered`]);
  });

  test("what it cannot keep is not acknowledged, and can be sent again", async () => {
    const { break: breakStore, runner, inner, announced } = broken();
    breakStore("accept", 1);
    breakStore("refuse", 1);
    const draft = draftOf();
    const error = new DeliveryError("invalid", "The name is empty.");
    await expect(runner.accept(draft)).rejects.toMatchObject({ kind: "local" });
    await expect(runner.refuse(draft, error)).rejects.toMatchObject({ kind: "local" });
    expect(await inner.get(draft.id)).toBeUndefined();
    expect((await runner.accept(draft)).duplicate).toBe(false);
    await pass(1);
    expect(told(announced)).toEqual([`${draft.id} delivered`]);
  });

  test("a store that fails in its own way is a bug by the time it reaches the caller", async () => {
    const inner = createMemoryStore();
    const store = { ...inner, accept: () => Promise.reject(new Error("canary: /secret/path")) };
    const runner = createBench(inner).start({ store });
    const error = await runner.accept(draftOf()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DeliveryError);
    expect(error).toMatchObject({ kind: "internal", message: expect.not.stringContaining("canary") });
  });

  test("close does not wait for it for ever", async () => {
    const { break: breakStore, runner, accept, state } = broken();
    breakStore("settle", Number.POSITIVE_INFINITY);
    const { id } = await accept();
    await pass(1);
    let closed = false;
    void runner.close({ graceMs: 2_000 }).then(() => {
      closed = true;
    });
    await pass(2_100);
    expect(closed).toBe(true);
    expect(await state(id)).toBe("sending");
  });
});
