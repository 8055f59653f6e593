import { expect, test } from "vitest";
import { createAbsentSpool, type Delivery, sendAgain } from "../../../src/lib";
import {
  attempt,
  type CreateBench,
  cancelRecord,
  draftOf,
  errorRecord,
  receipt,
  type StoreBench,
} from "./contract";

// Content of this size is in the store itself.
const spool = createAbsentSpool();

type End = (bench: StoreBench, delivery: Delivery) => Promise<unknown>;

const ends: [state: string, end: End, keyIsHandedOn: boolean][] = [
  ["delivered", ({ deliver }) => deliver(), false],
  [
    "skipped",
    async ({ store, claimOne }) => store.settle(await claimOne(), { state: "skipped", attempt, receipt }),
    false,
  ],
  [
    "gave-up",
    async ({ store, fail }, { id }) => {
      await fail();
      await store.giveUp(id, { reason: "No more.", by: "retry" });
    },
    true,
  ],
  ["cancelled", ({ store }, { id }) => store.cancel(id, cancelRecord), true],
];

export function againCases(createBench: CreateBench): void {
  test.each(ends)(
    "what was %s is sent again as another delivery, the first one as it was",
    async (...row) => {
      const [state, end, keyIsHandedOn] = row;
      const bench = await createBench();
      const { store, accept, current, now, advance } = bench;
      const draft = draftOf({
        contentType: "text/csv",
        attributes: { cacheControl: "no-store" },
        onceKey: "today",
        message: { topic: "orders" },
        source: { kind: "bytes", name: "a.bin", bytes: Buffer.from([0, 255]) },
      });
      const first = await accept(draft);
      await end(bench, first);
      const ended = await current(first.id);
      expect(ended.state).toBe(state);
      // Its end was told of: that is when other things may be let go.
      await store.markAnnounced(ended.id, ended.version);
      advance(10);
      const again = await sendAgain(store, { id: first.id, spool });
      const { onceKey, ...keyless } = draft;
      expect(again).toEqual({
        ...keyless,
        ...(keyIsHandedOn && { onceKey }),
        id: expect.not.stringMatching(first.id),
        state: "queued",
        attempts: [],
        begun: 0,
        acceptedAt: now(),
        dueAt: now(),
        announced: false,
        version: 1,
      });
      expect(await current(first.id)).toEqual({ ...ended, announced: true });
      expect((await store.accept(draftOf({ onceKey: "today" }))).duplicate).toBe(true);
      expect((await bench.claimOne()).delivery.id).toBe(again?.id);
    },
  );

  test("what has not ended is not sent again", async () => {
    const { store, accept, claimOne, fail, now } = await createBench();
    const ask = (id: string) => sendAgain(store, { id, spool });
    expect(await ask("unknown")).toBeUndefined();
    const { id } = await accept();
    expect(await ask(id), "queued").toBeUndefined();
    const claim = await claimOne();
    expect(await ask(id), "sending").toBeUndefined();
    await store.settle(claim, { state: "released" });
    await fail();
    expect(await ask(id), "failed").toBeUndefined();
    await store.retryAt(id, now() + 1_000);
    expect(await ask(id), "waiting").toBeUndefined();
    expect((await store.list({})).deliveries).toHaveLength(1);
  });

  test("what was refused cannot be sent again, and says so", async () => {
    const { store } = await createBench();
    const { id } = await store.refuse(draftOf(), errorRecord);
    await store.giveUp(id, { reason: "It was not accepted.", by: "retry" });
    await expect(sendAgain(store, { id, spool })).rejects.toMatchObject({
      kind: "missing",
      message: expect.stringContaining("nothing was kept of its content"),
    });
  });

  test("where another one has taken its key, it says which", async () => {
    const { store, accept } = await createBench();
    const first = await accept({ onceKey: "today" });
    await store.cancel(first.id, cancelRecord);
    const second = await accept({ onceKey: "today" });
    await expect(sendAgain(store, { id: first.id, spool })).rejects.toMatchObject({
      kind: "rejected",
      message: expect.stringContaining(second.id),
    });
  });
}
