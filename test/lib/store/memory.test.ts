import { expect, test } from "vitest";
import { createMemoryStore } from "../../../src/lib";
import { draftOf } from "./contract";

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
