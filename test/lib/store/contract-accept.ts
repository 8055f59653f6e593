import { expect, test } from "vitest";
import { type CreateBench, cancelRecord, draftOf, errorRecord } from "./contract";

export function acceptCases(createBench: CreateBench): void {
  test("keeps everything that it was given", async () => {
    const { store, now } = await createBench();
    const draft = draftOf({
      contentType: "text/csv",
      attributes: { cacheControl: "no-store" },
      onceKey: "today",
      message: { topic: "orders", payload: [1, "two", null] },
    });
    const { delivery, duplicate } = await store.accept(draft);
    expect(duplicate).toBe(false);
    expect(delivery).toEqual({
      ...draft,
      state: "queued",
      attempts: [],
      begun: 0,
      acceptedAt: now(),
      dueAt: now(),
      announced: false,
      version: 1,
    });
    expect(await store.get(draft.id)).toEqual(delivery);
  });

  test("the same id is accepted once", async () => {
    const { store, accept, deliver } = await createBench();
    const first = await accept();
    await deliver();
    const again = await store.accept(draftOf({ id: first.id, target: "elsewhere.txt" }));
    expect(again).toMatchObject({ duplicate: true, delivery: { state: "delivered", target: first.target } });
    expect((await store.list({})).deliveries).toHaveLength(1);
    expect(await store.claim("writer", "owner", 9)).toEqual([]);
  });

  test("the same id is accepted once, even at the same time", async () => {
    const { store } = await createBench();
    const draft = draftOf();
    const answers = await Promise.all([store.accept(draft), store.accept(draft), store.accept(draft)]);
    expect(answers.map(({ duplicate }) => duplicate).sort()).toEqual([false, true, true]);
  });

  test("a key is accepted once while its delivery is unfinished, and after its success", async () => {
    const { store, accept, claimOne, deliver, fail, advance, now } = await createBench();
    const isDuplicate = async () => {
      const answer = await store.accept(draftOf({ onceKey: "today" }));
      expect(answer.delivery.id).toBe(first.id);
      return answer.duplicate;
    };
    const first = await accept({ onceKey: "today" });
    expect(await isDuplicate(), "queued").toBe(true);
    const claim = await claimOne();
    expect(await isDuplicate(), "sending").toBe(true);
    await store.settle(claim, { state: "released" });
    await fail();
    await store.retryAt(first.id, now() + 1);
    expect(await isDuplicate(), "waiting").toBe(true);
    advance(1);
    const { version } = await deliver();
    expect(await isDuplicate(), "delivered").toBe(true);
    await store.markAnnounced(first.id, version);
    expect(await isDuplicate(), "announced").toBe(true);
    expect((await store.accept(draftOf({ onceKey: "tomorrow" }))).duplicate).toBe(false);
    expect((await store.accept(draftOf())).duplicate, "without a key").toBe(false);
  });

  test("a key is accepted once, even at the same time", async () => {
    const { store } = await createBench();
    const answers = await Promise.all([1, 2, 3].map(() => store.accept(draftOf({ onceKey: "today" }))));
    expect(answers.map(({ duplicate }) => duplicate).sort()).toEqual([false, true, true]);
    expect(new Set(answers.map(({ delivery }) => delivery.id)).size).toBe(1);
  });

  test("a key is free again when its delivery was given up, cancelled or forgotten", async () => {
    const { store, accept, fail, deliver, advance } = await createBench();
    const first = await accept({ onceKey: "today" });
    await fail();
    await store.giveUp(first.id, { reason: "No more.", by: "retry" });
    const second = await accept({ onceKey: "today" });
    await store.cancel(second.id, cancelRecord);
    const third = await accept({ onceKey: "today" });
    const { version } = await deliver();
    await store.markAnnounced(third.id, version);
    advance(10);
    await store.prune({ olderThanMs: 5, keep: 10 });
    expect((await store.accept(draftOf({ onceKey: "today" }))).duplicate).toBe(false);
  });

  test("a failed delivery cannot wait when another one has taken its key", async () => {
    const { store, accept, fail, now } = await createBench();
    const first = await accept({ onceKey: "today" });
    await fail();
    const second = await accept({ onceKey: "today" });
    expect(await store.retryAt(first.id, now())).toBeUndefined();
    expect(await store.claim("writer", "owner", 9)).toMatchObject([{ delivery: { id: second.id } }]);
  });

  test("keeps a refused delivery as failed, to be announced", async () => {
    const { store, now } = await createBench();
    const draft = draftOf({ message: { topic: "orders" } });
    const refused = await store.refuse(draft, errorRecord);
    expect(refused).toMatchObject({
      ...draft,
      state: "failed",
      attempts: [],
      begun: 0,
      error: errorRecord,
      finishedAt: now(),
      announced: false,
    });
    expect(await store.claim("writer", "owner", 9)).toEqual([]);
    const { deliveries } = await store.list({ states: ["failed"], announced: false });
    expect(deliveries).toEqual([refused]);
  });

  test("a refused delivery takes no key and no other delivery's place", async () => {
    const { store, accept } = await createBench();
    const first = await accept({ onceKey: "today" });
    await store.refuse(draftOf({ onceKey: "today" }), errorRecord);
    expect(await store.accept(draftOf({ onceKey: "today" }))).toMatchObject({
      duplicate: true,
      delivery: { id: first.id },
    });
    expect(await store.refuse(draftOf({ id: first.id }), errorRecord)).toMatchObject({ state: "queued" });
    expect(await store.counts()).toMatchObject({ queued: 1, failed: 1 });
  });
}
