import { expect, test } from "vitest";
import { createMemoryStore } from "../../../src/lib";
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
