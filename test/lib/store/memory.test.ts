import { expect, test } from "vitest";
import { createMemoryStore } from "../../../src/lib";
import { createMemoryBackend } from "../../../src/lib/store/memory";
import { rowOf } from "../../../src/lib/store/rows";
import { attempt, draftOf, errorRecord } from "./contract";

test("of two that change a delivery at once, one wins, and the other is told", async () => {
  const store = createMemoryStore();
  const { delivery } = await store.accept(draftOf());
  const [claims, cancelled] = await Promise.all([
    store.claim("writer", "owner", 1),
    store.cancel(delivery.id, { kind: "cancelled", message: "No.", retryable: false }),
  ]);
  expect(claims.length + (cancelled ? 1 : 0)).toBe(1);
  const state = cancelled ? "cancelled" : "sending";
  expect(await store.get(delivery.id)).toMatchObject({ state });
});

test("of failures of this machine a record keeps the last hundred, of others all", async () => {
  const store = createMemoryStore();
  await store.accept(draftOf());
  for (let n = 0; n < 300; n++) {
    const [claim] = await store.claim("writer", "owner", 1);
    if (!claim) return expect.fail("Nothing was due.");
    const error = { ...errorRecord, kind: n % 50 === 0 ? ("unavailable" as const) : ("local" as const) };
    const failed = await store.settle(claim, {
      state: "failed",
      attempt: { ...attempt, startedAt: n, error },
      error,
    });
    await store.retryAt(failed?.id ?? "", 0);
  }
  const [{ attempts } = { attempts: [] }] = (await store.list({})).deliveries;
  const ofKind = (kind: string) => attempts.filter(({ error }) => error?.kind === kind);
  expect(ofKind("unavailable")).toHaveLength(6);
  expect(ofKind("local")).toHaveLength(100);
  expect(ofKind("local").at(0)?.startedAt).toBeGreaterThan(190);
  expect(attempts.at(-1)?.startedAt).toBe(299);
});

/** How often the event loop came round meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const take = () => {
    turns++;
    if (!over) setImmediate(take);
  };
  take();
  await work();
  over = true;
  return turns;
}

test("while it forgets many, others have their turns", async () => {
  const backend = createMemoryBackend();
  const ended = {
    state: "delivered",
    begun: 1,
    acceptedAt: 0,
    dueAt: 0,
    announced: true,
    version: 1,
  } as const;
  for (let n = 0; n < 10_000; n++) {
    await backend.insert(rowOf({ ...draftOf(), ...ended, attempts: [], finishedAt: n }));
  }
  let removed = 0;
  const turns = await turnsDuring(async () => {
    removed = await backend.prune(["delivered"], 0, 10);
  });
  expect(removed).toBe(9_990);
  expect((await backend.list({}, 100, Infinity)).map(({ finishedAt }) => finishedAt)[9]).toBe(9_990);
  expect(turns).toBeGreaterThan(1);
});

test("while it reads a page of long messages, others have their turns", async () => {
  const store = createMemoryStore();
  const payload = Array.from({ length: 1_000 }, (_, n) => ({ n, text: "a line of an order of somebody's" }));
  for (let n = 0; n < 200; n++) await store.accept(draftOf({ message: { payload } }));
  let found = 0;
  const turns = await turnsDuring(async () => {
    found = (await store.list({}, { limit: 200 })).deliveries.length;
  });
  expect(found).toBe(200);
  expect(turns).toBeGreaterThan(1);
});
