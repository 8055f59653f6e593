import { expect, test } from "vitest";
import { attempt, type CreateBench, cancelRecord, errorRecord, receipt } from "./contract";

export function workCases(createBench: CreateBench, leaseMs: number | undefined): void {
  test("gives out what is due, the earliest first, up to the limit, each once", async () => {
    const { store, accept } = await createBench();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await accept()).id);
    const idsOf = async (limit: number, owner = "owner") =>
      (await store.claim("writer", owner, limit)).map(({ delivery }) => delivery.id);
    expect(await idsOf(0)).toEqual([]);
    expect(await idsOf(2)).toEqual(ids.slice(0, 2));
    expect(await idsOf(2, "another")).toEqual(ids.slice(2, 4));
    expect(await idsOf(2)).toEqual(ids.slice(4));
    expect(await idsOf(2)).toEqual([]);
  });

  test("claims at the same time never share a delivery", async () => {
    const { store, accept } = await createBench();
    for (let n = 0; n < 20; n++) await accept();
    const owners = ["a", "b", "c", "d", "e", "f"];
    const claims = (await Promise.all(owners.map((owner) => store.claim("writer", owner, 5)))).flat();
    expect(claims).toHaveLength(20);
    expect(new Set(claims.map(({ delivery }) => delivery.id)).size).toBe(20);
  });

  test("each queue gets its own", async () => {
    const { store, accept } = await createBench();
    const other = await accept({ writer: { id: "other", type: "test", name: "" } });
    await accept();
    expect(await store.claim("other", "owner", 9)).toMatchObject([{ delivery: { id: other.id } }]);
    expect(await store.claim("nobody", "owner", 9)).toEqual([]);
  });

  test("a claimed delivery is being sent, under a lease", async () => {
    const { store, accept, claimOne, now } = await createBench();
    const queued = await accept();
    const { lease, delivery } = await claimOne("writer", "me");
    expect(delivery).toEqual({ ...queued, state: "sending", begun: 1, version: queued.version + 1 });
    expect(lease).toMatchObject({ deliveryId: queued.id, owner: "me", version: delivery.version });
    expect(lease.expiresAt).toBe(leaseMs === undefined ? Number.POSITIVE_INFINITY : now() + leaseMs);
    expect(await store.get(queued.id)).toEqual(delivery);
    expect(await store.extend(lease)).toEqual(lease);
  });

  test("a retried delivery comes when it is due, in order of the times", async () => {
    const { store, accept, fail, now, advance } = await createBench();
    const [late, early] = [await accept(), await accept()];
    await fail();
    await fail();
    const start = now();
    await store.retryAt(late.id, start + 2_000);
    await store.retryAt(early.id, start + 1_000);
    expect(await store.claim("writer", "owner", 9)).toEqual([]);
    expect(await store.nextDueAt("writer")).toBe(start + 1_000);
    advance(999);
    expect(await store.claim("writer", "owner", 9)).toEqual([]);
    advance(1);
    expect(await store.claim("writer", "owner", 9)).toMatchObject([{ delivery: { id: early.id } }]);
    expect(await store.nextDueAt("writer")).toBe(start + 2_000);
    advance(1_000);
    expect(await store.claim("writer", "owner", 9)).toMatchObject([{ delivery: { id: late.id } }]);
    // What somebody else may take over when a lease ends is worth looking at then.
    expect(await store.nextDueAt("writer")).toBe(leaseMs === undefined ? undefined : start + 1_000 + leaseMs);
  });

  test.each(["delivered", "skipped"] as const)("settles as %s", async (state) => {
    const { store, accept, claimOne, now, advance } = await createBench();
    await accept();
    const claim = await claimOne();
    const { delivery } = claim;
    advance(50);
    const settled = await store.settle(claim, { state, attempt, receipt });
    expect(settled).toEqual({
      ...delivery,
      state,
      attempts: [attempt],
      receipt,
      finishedAt: now(),
      version: delivery.version + 1,
    });
    expect(await store.get(delivery.id)).toEqual(settled);
  });

  test("settles as failed, and then as delivered, with both attempts and without the error", async () => {
    const { store, accept, claimOne, fail, now } = await createBench();
    const { id } = await accept();
    const failed = await fail();
    const failure = { ...attempt, error: errorRecord };
    expect(failed).toMatchObject({
      state: "failed",
      attempts: [failure],
      error: errorRecord,
      announced: false,
    });
    expect(failed.finishedAt).toBe(now());
    const waiting = await store.retryAt(id, now());
    expect(waiting).not.toHaveProperty("finishedAt");
    expect(waiting).toMatchObject({ error: errorRecord });
    const claim = await claimOne();
    const second = { ...attempt, n: 2 };
    const settled = await store.settle(claim, { state: "delivered", attempt: second, receipt });
    expect(settled).toMatchObject({ state: "delivered", attempts: [failure, second], announced: false });
    expect(settled).not.toHaveProperty("error");
  });

  test("settles as cancelled, without an attempt", async () => {
    const { store, accept, claimOne } = await createBench();
    await accept();
    const claim = await claimOne();
    const settled = await store.settle(claim, { state: "cancelled", error: cancelRecord });
    expect(settled).toMatchObject({
      state: "cancelled",
      attempts: [],
      error: cancelRecord,
      announced: false,
    });
  });

  test("a released delivery is there at once for anybody, uncounted", async () => {
    const { store, accept, claimOne, now } = await createBench();
    const { id } = await accept();
    const claim = await claimOne("writer", "old");
    expect(await store.settle(claim, { state: "released" })).toMatchObject({ state: "queued", attempts: [] });
    expect(await store.nextDueAt("writer")).toBeLessThanOrEqual(now());
    expect((await claimOne("writer", "new")).delivery.id).toBe(id);
  });

  test("who has settled cannot settle or extend again", async () => {
    const { store, accept, claimOne, current } = await createBench();
    const { id } = await accept();
    const claim = await claimOne();
    const settled = await store.settle(claim, { state: "delivered", attempt, receipt });
    expect(await store.settle(claim, { state: "released" })).toBeUndefined();
    expect(await store.extend(claim.lease)).toBeUndefined();
    expect(await current(id)).toEqual(settled);
  });

  test("a lost lease cannot overwrite what the next claimer does", async () => {
    const { store, accept, claimOne, current } = await createBench();
    const { id } = await accept();
    const lost = await claimOne("writer", "same owner");
    await store.settle(lost, { state: "released" });
    const held = await claimOne("writer", "same owner");
    expect(await store.extend(lost.lease)).toBeUndefined();
    expect(await store.settle(lost, { state: "delivered", attempt, receipt })).toBeUndefined();
    expect(await current(id)).toEqual(held.delivery);
    const error = errorRecord;
    expect(await store.settle(held, { state: "failed", attempt, error })).toMatchObject({
      state: "failed",
    });
  });

  if (leaseMs === undefined) return;

  test("a lease that is not extended ends, and the delivery goes to the next", async () => {
    const { store, accept, claimOne, advance, current } = await createBench();
    const { id } = await accept();
    const lost = await claimOne("writer", "slow");
    advance(leaseMs + 1);
    const held = await claimOne("writer", "quick");
    expect(held.delivery).toMatchObject({ id, attempts: [] });
    expect(await store.extend(lost.lease)).toBeUndefined();
    expect(await store.settle(lost, { state: "delivered", attempt, receipt })).toBeUndefined();
    expect(await current(id)).toEqual(held.delivery);
  });

  test("a lease that is extended in time stays", async () => {
    const { store, accept, claimOne, advance, now } = await createBench();
    await accept();
    const claim = await claimOne();
    for (let n = 0; n < 5; n++) {
      advance(leaseMs - 1);
      expect(await store.extend(claim.lease)).toEqual({ ...claim.lease, expiresAt: now() + leaseMs });
      expect(await store.claim("writer", "another", 9)).toEqual([]);
    }
    expect(await store.settle(claim, { state: "delivered", attempt, receipt })).toBeDefined();
  });
}
