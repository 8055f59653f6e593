import type { Node } from "node-red";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createAbsentSpool, createMemoryStore, DeliveryError, standardPolicy } from "../../src/lib";
import { createDecisions } from "../../src/nodes/retry/decisions";
import type { Engine } from "../../src/nodes/shared/engine";
import { attempt, draftOf, errorRecord } from "../lib/store/contract";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("what cannot be noted in a store that a deploy has closed is not tried for ever", async () => {
  const memory = createMemoryStore();
  const markAnnounced = vi.fn(() =>
    Promise.reject(new DeliveryError("local", "The delivery store was closed.")),
  );
  const store = { ...memory, markAnnounced };
  const engine: Engine = { store, spool: createAbsentSpool(), keepSource: async (source) => source };
  let engines = [engine];
  const node = { id: "retry", status() {}, error() {}, warn() {}, send() {} };
  const decisions = createDecisions(node as unknown as Node, () => engines);
  decisions.start();
  const { delivery } = await store.accept(draftOf());
  const [claim] = await store.claim("writer", "owner", 1);
  if (!claim) throw new Error("Nothing was due.");
  await store.settle(claim, { state: "failed", attempt, error: errorRecord });
  const msg = { _msgid: "1", error: { deliveryId: delivery.id } };
  const send = vi.fn();
  await decisions.decide({ ...standardPolicy, attempts: 1 }, { msg, send });
  expect(send).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(markAnnounced.mock.calls.length).toBeGreaterThan(2);
  engines = [];
  await vi.advanceTimersByTimeAsync(60_000);
  markAnnounced.mockClear();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(markAnnounced).not.toHaveBeenCalled();
  await decisions.close();
});
