import { expect, test } from "vitest";
import type { Delivery, DeliveryFilter, DeliveryStore } from "../../../src/lib";
import { type CreateBench, cancelRecord, draftOf, errorRecord } from "./contract";

const otherWriter = { id: "other", type: "test", name: "" };

async function listAll(store: DeliveryStore, filter: DeliveryFilter, limit: number): Promise<string[][]> {
  const pages: string[][] = [];
  let after: string | undefined;
  do {
    const page = await store.list(filter, { limit, ...(after !== undefined && { after }) });
    pages.push(page.deliveries.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined && pages.length < 100);
  return pages;
}

export function readingCases(createBench: CreateBench): void {
  test("an unknown delivery is undefined", async () => {
    const { store } = await createBench();
    expect(await store.get("unknown")).toBeUndefined();
    expect(await store.list({})).toEqual({ deliveries: [] });
  });

  test("forgets one that has ended and was told of, with its key, as it was seen", async () => {
    const { store, accept, deliver, current } = await createBench();
    const { id } = await accept({ onceKey: "tonight" });
    const other = await accept();
    expect(await store.forget(await current(id))).toBe(false);
    const delivered = await deliver();
    expect(await store.forget(delivered)).toBe(false);
    await store.markAnnounced(id, delivered.version);
    const told = await current(id);
    expect(await store.forget({ ...told, version: told.version + 1 })).toBe(false);
    expect(await store.forget(told)).toBe(true);
    expect(await store.forget(told)).toBe(false);
    expect(await store.get(id)).toBeUndefined();
    expect(await store.list({})).toMatchObject({ deliveries: [{ id: other.id }] });
    expect(await store.counts()).toMatchObject({ queued: 1, delivered: 0 });
    expect(await store.accept(draftOf({ onceKey: "tonight" }))).toMatchObject({ duplicate: false });
  });

  test("has all agree on what was said first", async () => {
    const { store, accept } = await createBench();
    const said = await Promise.all(["a", "b", "c", "d"].map((value) => store.agree("name", value)));
    await accept();
    expect(new Set([...said, await store.agree("name", "e")]).size).toBe(1);
    expect("abcd").toContain(said[0]);
    const longest = ["n".repeat(100), "v".repeat(100)] as const;
    expect(await store.agree(...longest)).toBe(longest[1]);
    expect(await store.agree("name", "f")).toBe(said[0]);
  });

  test("lists the newest first, in pages, also those of the same millisecond", async () => {
    const { store } = await createBench();
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) ids.unshift((await store.accept(draftOf())).delivery.id);
    expect(await listAll(store, {}, 3)).toEqual([ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)]);
    expect(await listAll(store, {}, 7)).toEqual([ids]);
  });

  test("lists a hundred unless told otherwise", async () => {
    const { store } = await createBench();
    for (let n = 0; n < 101; n++) await store.accept(draftOf());
    const { deliveries, next } = await store.list({});
    expect(deliveries).toHaveLength(100);
    expect((await store.list({}, { after: next as string })).deliveries).toHaveLength(1);
  });

  test("paging neither misses nor repeats one while deliveries come, change and go", async () => {
    const { store, accept, deliver, advance } = await createBench();
    const ids: string[] = [];
    for (let n = 0; n < 6; n++) ids.unshift((await accept()).id);
    const first = await store.list({}, { limit: 2 });
    expect(first.deliveries.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    await accept();
    // The last one of the page that was read is the one that the cursor may point to: it goes.
    for (let n = 0; n < 5; n++) await deliver();
    const gone = first.deliveries[1] as Delivery;
    const { version } = (await store.get(gone.id)) as Delivery;
    await store.markAnnounced(gone.id, version);
    advance(10);
    expect(await store.prune({ olderThanMs: 1, keep: 10 })).toBe(1);
    const second = await store.list({}, { limit: 10, after: first.next as string });
    expect(second.deliveries.map(({ id }) => id)).toEqual(ids.slice(2));
    expect(second.next).toBeUndefined();
  });

  test("lists by writer, states and announcement, in pages of those", async () => {
    const { store, accept, deliver, fail } = await createBench();
    const [delivered, failed, queued] = [await accept(), await accept(), await accept()];
    const others = [await accept({ writer: otherWriter }), await accept({ writer: otherWriter })];
    const { version } = await deliver();
    await fail();
    await store.markAnnounced(delivered.id, version);
    const idsOf = async (filter: DeliveryFilter) => (await listAll(store, filter, 1)).flat();
    expect(await idsOf({ writerId: "writer" })).toEqual([queued.id, failed.id, delivered.id]);
    expect(await idsOf({ writerId: "other" })).toEqual([others[1]?.id, others[0]?.id]);
    expect(await idsOf({ writerId: "writer", states: ["delivered", "failed"] })).toEqual([
      failed.id,
      delivered.id,
    ]);
    expect(await idsOf({ announced: true })).toEqual([delivered.id]);
    expect(await idsOf({ announced: false, states: ["delivered", "failed"] })).toEqual([failed.id]);
    expect(await idsOf({ states: [] })).toEqual([]);
  });

  test("counts by state, of one queue and of all", async () => {
    const { store, accept, claimOne, fail, deliver, now } = await createBench();
    await accept();
    await fail();
    const { id } = await accept();
    await fail();
    await store.retryAt(id, now() + 1_000);
    await accept();
    await deliver();
    await accept();
    await claimOne();
    const { id: cancelled } = await accept({ writer: otherWriter });
    await store.cancel(cancelled, cancelRecord);
    await store.refuse(draftOf({ writer: otherWriter }), errorRecord);
    const none = { queued: 0, sending: 0, waiting: 0, failed: 0 };
    const ended = { delivered: 0, skipped: 0, "gave-up": 0, cancelled: 0 };
    const own = { ...none, ...ended, failed: 1, waiting: 1, delivered: 1, sending: 1 };
    expect(await store.counts("writer")).toEqual(own);
    expect(await store.counts("other")).toEqual({ ...none, ...ended, cancelled: 1, failed: 1 });
    expect(await store.counts()).toEqual({ ...own, cancelled: 1, failed: 2 });
    expect(await store.counts("nobody")).toEqual({ ...none, ...ended });
  });

  test("forgets what is old, but nothing unfinished or unannounced", async () => {
    const { store, accept, deliver, fail, claimOne, advance, now } = await createBench();
    const announce = ({ id, version }: Delivery) => store.markAnnounced(id, version);
    const unannounced = await accept();
    await deliver();
    const old = await accept();
    await announce(await deliver());
    const waiting = await accept();
    await announce(await fail());
    await store.retryAt(waiting.id, now() + 1e9);
    const sending = (await accept()) && (await claimOne()).delivery;
    const queued = await accept();
    advance(1_000);
    expect(await store.prune({ olderThanMs: 2_000, keep: 10 })).toBe(0);
    expect(await store.prune({ olderThanMs: 500, keep: 10 })).toBe(1);
    expect(await store.get(old.id)).toBeUndefined();
    expect(await store.prune({ olderThanMs: 0, keep: 0 })).toBe(0);
    const left = (await listAll(store, {}, 10)).flat();
    expect(left).toEqual([queued.id, sending.id, waiting.id, unannounced.id]);
    expect(await store.counts()).toMatchObject({ delivered: 1, waiting: 1, sending: 1, queued: 1 });
  });

  test("keeps the given number, those that finished last", async () => {
    const { store, accept, deliver } = await createBench();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.unshift((await accept()).id);
      const { id, version } = await deliver();
      await store.markAnnounced(id, version);
    }
    expect(await store.prune({ olderThanMs: 1e9, keep: 2 })).toBe(3);
    expect((await listAll(store, {}, 10)).flat()).toEqual(ids.slice(0, 2));
    expect(await store.prune({ olderThanMs: 1e9, keep: 2 })).toBe(0);
  });

  test("tells of every change, after it, until the listener is taken away", async () => {
    const { store, accept, deliver } = await createBench();
    const told: string[] = [];
    const stop = store.onChange(({ id, state, version }) => {
      told.push(`${state} ${version}`);
      void store.get(id).then((current) => expect(current?.version).toBeGreaterThanOrEqual(version));
    });
    await accept();
    await deliver();
    await expect.poll(() => told).toEqual(["queued 1", "sending 2", "delivered 3"]);
    stop();
    await accept();
    expect(told).toHaveLength(3);
  });

  test("a listener that throws harms neither the change nor the other listeners", async () => {
    const { store } = await createBench();
    const told: string[] = [];
    store.onChange(() => {
      throw new Error("The listener is broken.");
    });
    store.onChange(({ state }) => told.push(state));
    const { delivery } = await store.accept(draftOf());
    expect(await store.get(delivery.id)).toEqual(delivery);
    await expect.poll(() => told).toEqual(["queued"]);
  });

  test("callers cannot change what it keeps", async () => {
    const { store, accept, fail, current } = await createBench();
    const draft = draftOf();
    const { delivery } = await store.accept(draft);
    const accepted = structuredClone(delivery);
    draft.metadata.title = "Another";
    draft.writer.id = "another";
    await fail();
    const expected = structuredClone(await current(delivery.id));
    expect(expected.metadata).toEqual(accepted.metadata);
    const [listed] = (await store.list({})).deliveries;
    for (const held of [delivery, await current(delivery.id), listed as Delivery]) {
      for (const spoil of spoilers) {
        try {
          spoil(held);
        } catch (error) {
          // Frozen objects say so.
          expect(error).toBeInstanceOf(TypeError);
        }
      }
    }
    expect(await current(delivery.id)).toEqual(expected);
    await accept();
    expect(await store.counts("writer")).toMatchObject({ failed: 1, queued: 1 });
  });
}

const spoilers: ((delivery: Delivery) => void)[] = [
  (delivery) => {
    delivery.state = "delivered";
  },
  (delivery) => {
    delivery.metadata.title = "Spoiled";
  },
  (delivery) => {
    delivery.writer.id = "spoiled";
  },
  (delivery) => {
    delivery.source.name = "spoiled";
  },
  (delivery) => delivery.attempts.push({ n: 99, startedAt: 0, elapsedMs: 0 }),
  (delivery) => {
    if (delivery.error) delivery.error.kind = "internal";
  },
  (delivery) => {
    const [first] = delivery.attempts;
    if (first) first.n = 99;
  },
];
