import { afterEach, beforeEach, expect, test } from "vitest";
import type { DeliveryStore } from "../../../src/lib";
import { createLeaseStore } from "../../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../../src/lib/store/memory";
import { createBench, poll } from "../delivery/runner-bench";
import { draftOf } from "./contract";

const damages: [what: string, set: { draft?: string; progress?: string }][] = [
  ["no JSON", { draft: '{"id":' }],
  ["JSON of something else", { draft: "[1]" }],
  ["nothing", { draft: "" }],
  ["another delivery's", { draft: JSON.stringify({ id: "other", source: {}, writer: {} }) }],
  ["a bad tag", { draft: JSON.stringify({ message: { $bigint: "many" } }) }],
  ["no progress", { progress: "\0\0\0" }],
  ["progress of something else", { progress: "null" }],
];

let store: DeliveryStore;
let backend: ReturnType<typeof createMemoryBackend>;
beforeEach(() => {
  backend = createMemoryBackend();
  store = createLeaseStore(backend, { leaseMs: Number.POSITIVE_INFINITY });
});
afterEach(() => store.close());

/** Accepts one, damages its record, and accepts another one behind it. */
async function acceptTwo(set: { draft?: string; progress?: string }) {
  const damaged = (await store.accept(draftOf({ onceKey: "today" }))).delivery;
  await backend.change({ id: damaged.id, seen: damaged.version, set });
  return { damaged, sound: (await store.accept(draftOf())).delivery };
}

test.each(damages)(
  "a record that is %s fails when its turn comes, and the others go on",
  async (_what, set) => {
    const { damaged, sound } = await acceptTwo(set);
    expect((await store.list({})).deliveries.map(({ id }) => id)).toEqual([sound.id, damaged.id]);
    const { start, announced } = createBench(store);
    start();
    await poll(() => announced.map(({ state }) => state).sort()).toEqual(["delivered", "failed"]);
    await poll(async () => (await store.get(damaged.id))?.announced).toBe(true);
    const failed = announced.find(({ id }) => id === damaged.id);
    expect(failed).toMatchObject({
      state: "failed",
      writer: { id: "writer" },
      error: { kind: "local", code: "UNREADABLE", message: expect.stringContaining("send the content anew") },
      attempts: [],
    });
    // It is not in the way of a new one either, and is forgotten in its time.
    expect((await store.accept(draftOf({ onceKey: "today" }))).duplicate).toBe(false);
    expect(await store.retryNow(damaged.id)).toBeUndefined();
    await poll(async () =>
      store.prune({ olderThanMs: 0, keep: 0 }).then(() => store.get(damaged.id)),
    ).toBeUndefined();
  },
);

test("of a record whose progress is damaged, what was to be delivered is still told", async () => {
  const { damaged } = await acceptTwo({ progress: "{" });
  await store.claim("writer", "owner", 9);
  expect(await store.get(damaged.id)).toMatchObject({
    target: damaged.target,
    location: damaged.location,
    source: damaged.source,
    state: "failed",
  });
});
