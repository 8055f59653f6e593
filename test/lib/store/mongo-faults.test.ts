import { beforeEach, describe, expect, test } from "vitest";
import type { DeliveryStore } from "../../../src/lib";
import type { Mishap } from "../../support/mongo-server";
import { attempt, draftOf, receipt } from "./contract";
import { collection, database, password, problemOf, useMongoServer } from "./mongo-bench";

const bench = useMongoServer();
const { open, strike } = bench;

describe.each([
  { kind: "a replica set, whose client does it again", standalone: false },
  { kind: "a single server, where the store does it again", standalone: true },
])("answers that are lost by $kind", ({ standalone }) => {
  beforeEach(async () => {
    await bench.restart({ standalone });
  });

  test.each(["lose", "cut"] as const)("accepting: %s", async (mishap) => {
    const store = open();
    await store.counts();
    const left = strike("insert", mishap);
    const draft = draftOf({ onceKey: "today" });
    expect(await store.accept(draft)).toMatchObject({ duplicate: false, delivery: { id: draft.id } });
    expect(left()).toBe(0);
    expect(await store.counts()).toMatchObject({ queued: 1 });
    expect(await store.accept(draft)).toMatchObject({ duplicate: true });
  });

  test("accepting, when another process takes the delivery before it is asked again", async () => {
    const store = open();
    await store.counts();
    const { id } = draftOf();
    let tries = 0;
    bench.server.hook = (command) => {
      if (command !== "insert") return undefined;
      if (++tries === 1) return "lose";
      const taken = { state: "sending", version: 2, changeId: "of another process" };
      bench.server.collection(database, collection).update({ _id: id }, { $set: taken }, false);
      return undefined;
    };
    expect(await store.accept(draftOf({ id }))).toMatchObject({ duplicate: false });
    expect(tries).toBe(2);
  });

  test.each(["lose", "cut"] as const)("claiming and settling: %s", async (mishap) => {
    const store = open();
    const { delivery } = await store.accept(draftOf());
    let left = strike("update", mishap);
    const [claim] = await store.claim("writer", "owner", 1);
    expect(left()).toBe(0);
    if (!claim) return expect.fail("Nothing was claimed.");
    left = strike("update", mishap);
    const settled = await store.settle(claim, { state: "delivered", attempt, receipt });
    expect(left()).toBe(0);
    expect(settled).toMatchObject({ id: delivery.id, state: "delivered", version: 3 });
    expect(await store.get(delivery.id)).toEqual(settled);
  });

  test("counting arrivals: numbers are left out, never given twice", async () => {
    const store = open();
    await store.counts();
    strike("findAndModify", "lose");
    const [first, second] = [await store.accept(draftOf()), await store.accept(draftOf())];
    const page = await store.list({}, { limit: 1 });
    expect(page.deliveries).toEqual([second.delivery]);
    expect(await store.list({}, { after: page.next as string })).toEqual({ deliveries: [first.delivery] });
  });
});

const answers: [what: string, mishap: Mishap, sentence: RegExp][] = [
  ["no rights", { code: 13, codeName: "Unauthorized", message: "not authorized" }, /lacks rights/],
  ["a full disk", { code: 14031, codeName: "OutOfDiskSpace", message: "no space" }, /disk is full/],
  ["too much", { code: 10334, codeName: "BSONObjectTooLarge", message: "BSONObj size" }, /16 MB/],
  [
    "no primary",
    { code: 10107, codeName: "NotWritablePrimary", message: "not primary" },
    /no primary that takes changes/,
  ],
  [
    "no majority",
    { code: 64, codeName: "WriteConcernFailed", message: "waiting for replication timed out" },
    /too few members/,
  ],
  ["a shutdown", { code: 11600, codeName: "InterruptedAtShutdown", message: "shutdown" }, /does not answer/],
  ["connections that end", "cut", /does not answer|closed the connection/],
  ["silence", "stall", /does not answer|in time/],
  [
    "something unheard of",
    { code: 424242, codeName: "Odd", message: `It is odd, said ${password}` },
    /it says "It is odd, said …"/,
  ],
];

test.each(answers)(
  "%s, for good, is told in a sentence, and nothing is acknowledged",
  async (...row) => {
    const [, mishap, sentence] = row;
    const store = open();
    await store.counts();
    strike("insert", mishap, Infinity);
    expect(await problemOf(store.accept(draftOf()))).toMatch(sentence);
    bench.server.hook = undefined;
    expect(await store.counts()).toMatchObject({ queued: 0 });
  },
  60_000,
);

test.each(answers.slice(3, 7))("%s, for a moment, is hardly noticed", async (_what, mishap) => {
  const store = open();
  await store.counts();
  const left = strike("insert", mishap, 2);
  expect(await store.accept(draftOf())).toMatchObject({ duplicate: false });
  expect(left()).toBe(0);
  expect(await store.counts()).toMatchObject({ queued: 1 });
});

test("a database that a newer version has written is left alone", async () => {
  bench.server.collection(database, "data_distribution_state").insert({ _id: "schema", value: 99 });
  expect(await problemOf(open().accept(draftOf()))).toMatch(/newer version of this package \(schema 99\)/);
  expect(bench.server.collection(database, collection).find({})).toEqual([]);
});

test("when the counter of arrivals is lost, it goes on behind the last one", async () => {
  const store = open();
  const before = [await store.accept(draftOf()), await store.accept(draftOf())];
  bench.server.collection(database, "data_distribution_state").remove({ _id: "arrivals" });
  const after = await Promise.all([store.accept(draftOf()), store.accept(draftOf())]);
  expect(after.map(({ duplicate }) => duplicate)).toEqual([false, false]);
  const { deliveries } = await store.list({});
  const ids = (accepted: typeof before) => accepted.map(({ delivery }) => delivery.id).sort();
  expect(
    deliveries
      .slice(0, 2)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(ids(after));
  expect(
    deliveries
      .slice(2)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(ids(before));
});

test("an id or a writer that a message has made a query of matches nothing", async () => {
  const store = open();
  await store.accept(draftOf());
  const query = { $exists: true } as never;
  expect(await store.get(query)).toBeUndefined();
  expect(await store.cancel(query, { kind: "cancelled", message: "", retryable: true })).toBeUndefined();
  expect(await store.claim(query, "owner", 9)).toEqual([]);
  expect((await store.list({ writerId: query, decidedBy: query })).deliveries).toEqual([]);
  expect(await store.counts()).toMatchObject({ queued: 1 });
});

test("four that accept at once: no page misses what was there before, and none comes twice", async () => {
  const reader = open();
  const writers = [open(), open(), open(), open()];
  const accepted: string[] = [];
  const accept = async (store: DeliveryStore) => {
    for (let n = 0; n < 10; n++) {
      const some = await Promise.all([store.accept(draftOf()), store.accept(draftOf())]);
      accepted.push(...some.map(({ delivery }) => delivery.id));
    }
  };
  let writing = true;
  const written = Promise.all(writers.map(accept)).finally(() => {
    writing = false;
  });
  let rounds = 0;
  for (; writing || rounds === 0; rounds++) {
    const there = [...accepted];
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await reader.list({}, { limit: 7, ...(after !== undefined && { after }) });
      seen.push(...page.deliveries.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    expect(new Set(seen).size).toBe(seen.length);
    expect(there.filter((id) => !seen.includes(id))).toEqual([]);
  }
  await written;
  expect(rounds).toBeGreaterThan(1);
  expect(await reader.counts()).toMatchObject({ queued: 80 });
  const arrivals = bench.server
    .collection(database, collection)
    .find({})
    .map(({ arrival }) => arrival);
  expect(new Set(arrivals).size).toBe(80);
}, 60_000);
