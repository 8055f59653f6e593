import { describe, expect, test } from "vitest";
import {
  createMemoryStore,
  type Delivery,
  type DeliveryRecord,
  type DeliveryState,
  describeDelivery,
  type ErrorRecord,
  type Receipt,
} from "../../../src/lib";
import { draftOf } from "./runner-bench";

const acceptedAt = Date.UTC(2024, 1, 29, 23, 59, 59, 500);
const stack = "DeliveryError: Nothing answers there.\n    at here";
const error: ErrorRecord = {
  kind: "unavailable",
  message: "Nothing answers there.",
  code: "ECONNREFUSED",
  retryable: true,
  stack,
};
const receipt: Receipt = {
  location: "s3://bucket/report.txt",
  outcome: "delivered",
  bytes: 7,
  sha256: "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
  verified: "checksum",
  etag: '"abc"',
  versionId: "v1",
  url: "https://example.com/report.txt",
  urlExpiresAt: "2024-03-07T00:00:00.000Z",
  notes: ["The link was shortened to 7 days."],
};
const failure = { n: 1, startedAt: acceptedAt + 100, elapsedMs: 50, error };
const success = { n: 2, startedAt: acceptedAt + 1_000, elapsedMs: 250 };

/** A delivery after its store has made it so. */
async function deliveryIn(state: DeliveryState): Promise<Delivery> {
  let nowMs = acceptedAt;
  const store = createMemoryStore({ now: () => nowMs });
  const message = { payload: "canary", password: "canary" };
  const { delivery } = await store.accept(draftOf({ message, metadata: { title: "Report" } }));
  const current = async () => (await store.get(delivery.id)) as Delivery;
  const claim = async () => {
    const [claimed] = await store.claim("writer", "owner", 1);
    if (!claimed) throw new Error("Nothing is due.");
    return claimed;
  };
  const cancel = { kind: "cancelled", message: "It was cancelled.", retryable: true } as const;
  if (state === "queued") return current();
  if (state === "cancelled") return (await store.cancel(delivery.id, cancel)) as Delivery;
  const first = await claim();
  if (state === "sending") return current();
  nowMs = acceptedAt + 150;
  await store.settle(first, { state: "failed", attempt: failure, error });
  if (state === "failed") return current();
  nowMs = acceptedAt + 200;
  if (state === "gave-up")
    return (await store.giveUp(delivery.id, { reason: "One attempt was made.", by: "retry" })) as Delivery;
  await store.retryAt(delivery.id, acceptedAt + 1_000);
  if (state === "waiting") return current();
  nowMs = acceptedAt + 1_000;
  const claimed = await claim();
  nowMs = acceptedAt + 1_250;
  const outcome = state === "skipped" ? "skipped" : "delivered";
  const settlement = { state: outcome, attempt: success, receipt: { ...receipt, outcome } } as const;
  return (await store.settle(claimed, settlement)) as Delivery;
}

const startedAt = "2024-02-29T23:59:59.500Z";
const failedRecord = {
  n: 1,
  startedAt: "2024-02-29T23:59:59.600Z",
  elapsedMs: 50,
  error: { kind: "unavailable", message: "Nothing answers there.", code: "ECONNREFUSED" },
};
const untried = { location: "test:/report.txt", attempt: 0, attempts: [], startedAt };
const tried = { location: "test:/report.txt", attempt: 1, attempts: [failedRecord], startedAt };
const { outcome: _, ...proof } = receipt;
const succeeded = {
  ...proof,
  attempt: 2,
  attempts: [failedRecord, { n: 2, startedAt: "2024-03-01T00:00:00.500Z", elapsedMs: 250 }],
  startedAt,
  finishedAt: "2024-03-01T00:00:00.750Z",
  elapsedMs: 1_250,
};

const records: Record<DeliveryState, object> = {
  queued: { ...untried, elapsedMs: 5_000 },
  sending: { ...untried, elapsedMs: 5_000 },
  failed: { ...tried, finishedAt: "2024-02-29T23:59:59.650Z", elapsedMs: 150 },
  waiting: { ...tried, elapsedMs: 5_000, nextAttemptAt: "2024-03-01T00:00:00.500Z" },
  "gave-up": {
    ...tried,
    finishedAt: "2024-02-29T23:59:59.700Z",
    elapsedMs: 200,
    reason: "One attempt was made.",
  },
  delivered: succeeded,
  skipped: succeeded,
  cancelled: { ...untried, finishedAt: startedAt, elapsedMs: 0 },
};

const cases = Object.entries(records) as [DeliveryState, object][];

describe.each(cases)("the record of a delivery that is %s", (state, expected) => {
  test("says just this", async () => {
    const delivery = await deliveryIn(state);
    expect(describeDelivery(delivery, acceptedAt + 5_000)).toStrictEqual({
      id: delivery.id,
      state,
      writer: { id: "writer", type: "test", name: "A writer" },
      target: "report.txt",
      ...expected,
    });
  });

  test("is plain data, without the message, the stack and any undefined", async () => {
    const record = describeDelivery(await deliveryIn(state));
    expect(JSON.parse(JSON.stringify(record))).toStrictEqual(record);
    expect(structuredClone(record)).toStrictEqual(record);
    expect(JSON.stringify(record)).not.toMatch(/canary|at here/);
  });

  test("is the flow's to change", async () => {
    const delivery = await deliveryIn(state);
    const before = structuredClone(delivery);
    const record = describeDelivery(delivery) as DeliveryRecord;
    record.writer.name = "changed";
    record.notes?.push("changed");
    for (const attempt of record.attempts) {
      attempt.n = 99;
      if (attempt.error) attempt.error.message = "changed";
    }
    record.attempts.push({ n: 100, startedAt: "", elapsedMs: 0 });
    expect(delivery).toEqual(before);
  });
});

test("a clock that was set back makes no negative time", async () => {
  expect(describeDelivery(await deliveryIn("queued"), acceptedAt - 1_000).elapsedMs).toBe(0);
});
