import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DeliveryError } from "../../../src/lib";
import { createLeaseStore } from "../../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../../src/lib/store/memory";
import { draftOf } from "./contract";

const hourMs = 3_600_000;
let nowMs = 0;

beforeEach(() => {
  nowMs = Date.UTC(2024, 1, 29, 12);
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => void vi.useRealTimers());

test("what another machine has queued whose clock was ahead is given out a minute later", async () => {
  const backend = createMemoryBackend();
  const store = createLeaseStore(backend, { now: () => nowMs, leaseMs: 30_000 });
  const ahead = createLeaseStore(backend, { now: () => nowMs + hourMs, leaseMs: 30_000 });
  expect(await store.claim("writer", "owner", 9)).toEqual([]);
  await ahead.accept(draftOf());
  vi.advanceTimersByTime(59_000);
  expect(await store.claim("writer", "owner", 9)).toEqual([]);
  vi.advanceTimersByTime(1_000);
  expect(await store.claim("writer", "owner", 9)).toHaveLength(1);
});

test("a store that fails just then is asked again, and what waits is due sooner by that once", async () => {
  let fails = 0;
  const backend = createMemoryBackend();
  const hasten: typeof backend.hasten = async (...request) => {
    if (fails-- > 0) throw new DeliveryError("local", "The disk is full.");
    await backend.hasten(...request);
  };
  const store = createLeaseStore({ ...backend, hasten }, { now: () => nowMs, leaseMs: Infinity });
  const { delivery } = await store.accept(draftOf());
  const [claim] = await store.claim("writer", "owner", 1);
  const error = { kind: "unavailable", message: "Nothing answers.", retryable: true } as const;
  if (claim)
    await store.settle(claim, { state: "failed", attempt: { n: 1, startedAt: 0, elapsedMs: 1 }, error });
  await store.retryAt(delivery.id, nowMs + 30_000);
  await store.accept(draftOf());
  nowMs -= hourMs;
  fails = 2;
  for (let n = 0; n < 2; n++)
    await expect(store.claim("writer", "owner", 9)).rejects.toThrow("The disk is full.");
  expect(await store.claim("writer", "owner", 9)).toHaveLength(1);
  expect(await store.nextDueAt("writer")).toBe(nowMs + 30_000);
  expect(await store.claim("writer", "owner", 9)).toEqual([]);
  expect(await store.nextDueAt("writer")).toBe(nowMs + 30_000);
});
