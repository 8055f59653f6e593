import { expect, test } from "vitest";
import { createMemoryStore } from "../../../src/lib";
import { plannedRunsOf } from "../../../src/lib/schedule/planned-runs";
import { attempt, draftOf, receipt } from "../store/contract";

const schedule = { id: "schedule", type: "delivery-schedule", name: "" };
const by = { cron: "* * * * * *", timeZone: "UTC", since: 1 };

test("a schedule's last thousand runs stay, and all that others have in the store", async () => {
  const store = createMemoryStore();
  const runs = plannedRunsOf(store, schedule);
  const end = async (queue: string) => {
    const [claim] = await store.claim(queue, "owner", 1);
    if (!claim) return expect.fail("Nothing was due.");
    const settled = await store.settle(claim, { state: "delivered", attempt, receipt });
    if (settled) await store.markAnnounced(settled.id, settled.version);
  };
  await store.accept(draftOf({ onceKey: "invoice 4711" }));
  await end("writer");
  for (let n = 0; n < 1_010; n++) {
    await runs.add({ time: n * 1_000, startAt: n * 1_000 }, by);
    await end(schedule.id);
  }
  await runs.add({ time: 2_000_000, startAt: 2_000_000 }, by);
  await runs.tidy(() => true);
  expect(await store.counts(schedule.id)).toMatchObject({ delivered: 1_010 });
  await runs.tidy(() => false);
  expect(await store.counts(schedule.id)).toMatchObject({ queued: 1, delivered: 1_000 });
  // Whoever still holds a run finds that the one after it was run.
  await runs.add({ time: 500_000, startAt: 500_000 }, by);
  expect(await store.counts(schedule.id)).toMatchObject({ queued: 1 });
  expect(await store.accept(draftOf({ onceKey: "invoice 4711" }))).toMatchObject({ duplicate: true });
});
