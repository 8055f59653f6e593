import { expect, test } from "vitest";
import { attempt, type CreateBench, draftOf, errorRecord, receipt, type StoreBench } from "./contract";

const hourMs = 3_600_000;

async function claimAll({ store }: StoreBench, limit = 999): Promise<string[]> {
  return (await store.claim("writer", "owner", limit)).map(({ delivery }) => delivery.id);
}

/** What must hold when the clock shows an earlier time than before. */
export function clockCases(createBench: CreateBench, leaseMs: number | undefined): void {
  test.each([1, hourMs])(
    "what is queued is given out, in its order, though the clock went back %d ms",
    async (ms) => {
      const bench = await createBench();
      const { store, accept, claimOne, advance } = bench;
      const released = await accept();
      const claim = await claimOne();
      advance(10);
      const ids = [(await accept()).id, (await accept()).id, (await accept()).id];
      await store.settle(claim, { state: "released" });
      advance(-ms);
      const given: string[] = [];
      for (let n = 0; n < 4; n++) given.push(...(await claimAll(bench, 1)));
      expect(given.filter((id) => id !== released.id)).toEqual(ids);
      expect(given).toContain(released.id);
    },
  );

  test("what is queued before and after the clock went back, again and again, has its turn", async () => {
    const bench = await createBench();
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) {
      ids.push((await bench.accept()).id, (await bench.accept()).id);
      bench.advance(-hourMs);
    }
    const claimed: string[] = [];
    for (const _ of ids) claimed.push(...(await claimAll(bench, 1)));
    expect(claimed.toSorted()).toEqual(ids.toSorted());
  });

  test("all that is queued is given out, however much it is, each queue's in its turn", async () => {
    const bench = await createBench();
    const writer = { id: "other", type: "test", name: "" };
    const accepting = Array.from({ length: 450 }, () => bench.store.accept(draftOf()));
    accepting.push(bench.store.accept(draftOf({ writer })));
    await Promise.all(accepting);
    bench.advance(-hourMs);
    const claimed = await claimAll(bench);
    expect(new Set(claimed).size).toBe(450);
    expect(await bench.store.claim("other", "owner", 9)).toHaveLength(1);
  });

  test("neither retries nor what is queued wait for each other's end when the clock went back", async () => {
    const { store, accept, fail, claimOne, advance, now } = await createBench();
    const retried = await accept();
    await fail();
    const queued = [(await accept()).id, (await accept()).id, (await accept()).id];
    advance(-hourMs);
    await store.retryAt(retried.id, now());
    const given: string[] = [];
    for (let n = 0; n < 8; n++) {
      advance(1);
      await accept();
      const claim = await claimOne();
      given.push(claim.delivery.id);
      if (claim.delivery.id === retried.id) {
        const failed = { ...attempt, error: errorRecord };
        await store.settle(claim, { state: "failed", attempt: failed, error: errorRecord });
        await store.retryAt(retried.id, now());
      } else {
        await store.settle(claim, { state: "delivered", attempt, receipt });
      }
    }
    expect(given.slice(0, 5)).toEqual(expect.arrayContaining([retried.id, ...queued]));
  });

  test("a retry waits as long as it was to, where all times are of the clock that went back", async () => {
    const bench = await createBench();
    const { store, accept, fail, advance, now, current } = bench;
    const { id } = await accept();
    await fail();
    await store.retryAt(id, now() + 30_000);
    advance(10_000);
    expect(await claimAll(bench)).toEqual([]);
    advance(-hourMs);
    expect(await claimAll(bench)).toEqual([]);
    const leftMs = leaseMs === undefined ? 20_000 : 20_000 + hourMs;
    const dueAt = now() + leftMs;
    expect(await store.nextDueAt("writer")).toBe(dueAt);
    expect((await current(id)).dueAt).toBe(dueAt);
    advance(leftMs - 1);
    expect(await claimAll(bench)).toEqual([]);
    advance(1);
    expect(await claimAll(bench)).toEqual([id]);
  });

  test("what is being sent stays with whoever sends it", async () => {
    const bench = await createBench();
    const { store, accept, claimOne, advance } = bench;
    await accept();
    const claim = await claimOne();
    advance(-hourMs);
    expect(await claimAll(bench)).toEqual([]);
    expect(await store.settle(claim, { state: "delivered", attempt, receipt })).toBeDefined();
  });

  test("after a restart with a clock that went back, what is queued is given out, and retries wait", async () => {
    const bench = await createBench();
    const { store, accept, claimOne, fail, advance, now } = bench;
    const waiting = await accept();
    await fail();
    await store.retryAt(waiting.id, now() + 30_000);
    const queued = [(await accept()).id, (await accept()).id];
    const claim = await claimOne();
    advance(5);
    await store.settle(claim, { state: "released" });
    const restarted = await bench.restart();
    if (!restarted) return;
    advance(-hourMs);
    const delivered = [await restarted.deliver(), await restarted.deliver()];
    expect(delivered.map(({ id }) => id).toSorted()).toEqual(queued.toSorted());
    advance(hourMs);
    expect(await claimAll(restarted)).toEqual([]);
    advance(30_000);
    expect(await claimAll(restarted)).toContain(waiting.id);
  });
}
