import type { Node, NodeStatus } from "node-red";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLeaseStore } from "../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../src/lib/store/memory";
import { showWork } from "../../src/nodes/shared/status";
import { createBench, createGate } from "../lib/delivery/runner-bench";

// Leases last for longer than anybody waits for a test.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("what another process has taken over is not shown as being sent here", async () => {
  const leaseMs = 30_000;
  const store = createLeaseStore(createMemoryBackend(), { leaseMs });
  const { start, accept } = createBench(store);
  const statuses: NodeStatus[] = [];
  const node = { id: "writer", status: (status: NodeStatus) => statuses.push(status) };
  const runner = start({ attempt: createGate().attempt });
  const shown = showWork(node as unknown as Node, runner, store, undefined);
  await accept();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(statuses.at(-1)?.text).toMatch(/^sending/);
  // This process stands still, and another one takes the delivery.
  vi.setSystemTime(Date.now() + leaseMs + 1);
  expect(await store.claim("writer", "another process", 1)).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(leaseMs);
  expect(statuses.at(-1)).toEqual({});
  shown.stop();
});
