import { expect, test } from "vitest";
import type { DeliveryState } from "../../../src/lib";
import { type CreateBench, cancelRecord, draftOf, errorRecord, type StoreBench } from "./contract";

/** Brings a delivery into each state. */
const states: Record<Exclude<DeliveryState, "skipped">, (bench: StoreBench) => Promise<string>> = {
  queued: async ({ accept }) => (await accept()).id,
  sending: async ({ accept, claimOne }) => {
    await accept();
    return (await claimOne()).delivery.id;
  },
  waiting: async ({ store, accept, fail, now }) => {
    const { id } = await accept();
    await fail();
    await store.retryAt(id, now() + 1_000);
    return id;
  },
  failed: async ({ accept, fail }) => {
    await accept();
    return (await fail()).id;
  },
  delivered: async ({ accept, deliver }) => {
    await accept();
    return (await deliver()).id;
  },
  "gave-up": async ({ store, accept, fail }) => {
    const { id } = await accept();
    await fail();
    await store.giveUp(id, { reason: "No more.", by: "retry" });
    return id;
  },
  cancelled: async ({ store, accept }) => {
    const { id } = await accept();
    await store.cancel(id, cancelRecord);
    return id;
  },
};

interface Decision {
  title: string;
  decide(bench: StoreBench, id: string): Promise<unknown>;
  allowed: DeliveryState[];
  outcome: (bench: StoreBench) => object;
}

const decisions: Decision[] = [
  {
    title: "retryAt",
    decide: ({ store, now }, id) => store.retryAt(id, now() + 5_000),
    allowed: ["failed"],
    outcome: ({ now }) => ({ state: "waiting", dueAt: now() + 5_000 }),
  },
  {
    title: "retryNow",
    decide: ({ store }, id) => store.retryNow(id),
    allowed: ["waiting", "failed"],
    outcome: ({ now }) => ({ state: "waiting", dueAt: now(), announced: true }),
  },
  {
    title: "giveUp",
    decide: ({ store }, id) => store.giveUp(id, { reason: "All 3 attempts failed.", by: "retry" }),
    allowed: ["failed"],
    outcome: ({ now }) => ({
      state: "gave-up",
      reason: "All 3 attempts failed.",
      finishedAt: now(),
      announced: false,
    }),
  },
  {
    title: "cancel",
    decide: ({ store }, id) => store.cancel(id, cancelRecord),
    allowed: ["queued", "waiting"],
    outcome: ({ now }) => ({
      state: "cancelled",
      error: cancelRecord,
      finishedAt: now(),
      announced: false,
    }),
  },
];

export function decisionCases(createBench: CreateBench): void {
  for (const { title, decide, allowed, outcome } of decisions) {
    for (const [state, bring] of Object.entries(states)) {
      const may = allowed.includes(state as DeliveryState);
      test(`${title} of a ${state} delivery ${may ? "is done" : "changes nothing"}`, async () => {
        const bench = await createBench();
        const id = await bring(bench);
        const before = await bench.current(id);
        expect(before.state).toBe(state);
        bench.advance(10);
        const decided = await decide(bench, id);
        if (may) {
          expect(decided).toMatchObject({ ...outcome(bench), version: before.version + 1 });
          expect(await bench.current(id)).toEqual(decided);
        } else {
          expect(decided).toBeUndefined();
          expect(await bench.current(id)).toEqual(before);
        }
      });
    }
    test(`${title} of an unknown delivery changes nothing`, async () => {
      const bench = await createBench();
      expect(await decide(bench, "unknown")).toBeUndefined();
    });
  }

  test("times between two milliseconds are kept as whole ones", async () => {
    const { store, accept, fail, now, advance } = await createBench();
    const at = now() + 1_000;
    advance(0.25);
    const { id } = await accept();
    await fail();
    expect(await store.retryAt(id, at + 0.25)).toMatchObject({ state: "waiting", dueAt: at + 1 });
    expect(await store.get(id)).toMatchObject({ dueAt: at + 1 });
    expect(await store.prune({ olderThanMs: 0.25, keep: 9 })).toBe(0);
  });

  test("what is to be retried now is given out at once, its attempts as they were", async () => {
    const bench = await createBench();
    const id = await states.waiting(bench);
    const { attempts } = await bench.current(id);
    await bench.store.retryNow(id);
    expect(await bench.store.nextDueAt("writer")).toBe(bench.now());
    expect((await bench.claimOne()).delivery).toMatchObject({ id, attempts });
  });

  test("what was refused cannot be retried: nothing was kept of its content", async () => {
    const { store, current } = await createBench();
    const refused = await store.refuse(draftOf(), errorRecord);
    expect(await store.retryNow(refused.id)).toBeUndefined();
    expect(await current(refused.id)).toEqual(refused);
  });

  test("of two decisions at the same time one counts", async () => {
    const bench = await createBench();
    const id = await states.failed(bench);
    const { store, now } = bench;
    const answers = await Promise.all([
      store.retryAt(id, now()),
      store.giveUp(id, { reason: "No.", by: "retry" }),
      store.retryAt(id, 0),
    ]);
    expect(answers.filter((answer) => answer !== undefined)).toHaveLength(1);
  });

  test("a cancelled delivery is not given out any more", async () => {
    const bench = await createBench();
    await states.cancelled(bench);
    expect(await bench.store.claim("writer", "owner", 9)).toEqual([]);
    expect(await bench.store.nextDueAt("writer")).toBeUndefined();
  });

  test("notes an announcement of the state that was announced, and of no later one", async () => {
    const bench = await createBench();
    const { store, current, now } = bench;
    const id = await states.failed(bench);
    const failed = await current(id);
    await store.markAnnounced(id, failed.version - 1);
    expect((await current(id)).announced).toBe(false);
    await store.markAnnounced(id, failed.version);
    expect(await current(id)).toEqual({ ...failed, announced: true });
    await store.retryAt(id, now());
    const second = await bench.fail();
    await store.markAnnounced(id, failed.version);
    expect(await current(id)).toEqual(second);
    expect(second.announced).toBe(false);
    await store.markAnnounced("unknown", 1);
  });
}
