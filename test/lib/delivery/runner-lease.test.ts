import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type AttemptFunction, createMemoryStore, type DeliveryStore } from "../../../src/lib";
import { createLeaseStore } from "../../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../../src/lib/store/memory";
import { breakable } from "./breakable-store";
import { createBench, createGate, receipt, succeed, told } from "./runner-bench";

// Leases last for longer than anybody waits for a test.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("leases that end", () => {
  const leaseMs = 30_000;

  const createLeasedStore = () => createLeaseStore(createMemoryBackend(), { leaseMs });

  function leased(store: DeliveryStore = createLeasedStore()) {
    return { ...createBench(store), store };
  }

  test("are extended for as long as an attempt takes, and no longer", async () => {
    const { start, accept, announced } = leased();
    const gate = createGate();
    start({ attempt: gate.attempt });
    const second = vi.fn(succeed);
    const { id } = await accept();
    await pass(1);
    start({ attempt: second });
    await pass(10 * leaseMs);
    expect(gate.inside).toHaveLength(1);
    gate.open();
    await pass(1);
    expect(told(announced)).toEqual([`${id} delivered`]);
    expect(second).not.toHaveBeenCalled();
    // One for each of the two runners that sleep.
    expect(vi.getTimerCount()).toBe(2);
  });

  /** A gate that notes why attempts were stopped. */
  function watchedGate() {
    const gate = createGate();
    const stopped: string[] = [];
    const attempt: AttemptFunction = (delivery, context) => {
      context.signal.addEventListener("abort", () => stopped.push(context.signal.reason.message));
      return gate.attempt(delivery, context);
    };
    return { ...gate, attempt, stopped };
  }

  test("when one is lost, the attempt is stopped and its result does not count", async () => {
    const { start, store, accept, announced, problems } = leased();
    const gate = watchedGate();
    start({ attempt: gate.attempt, concurrency: 1 });
    const { id } = await accept();
    await pass(1);
    // This process stands still, and another one takes the delivery.
    vi.setSystemTime(Date.now() + leaseMs + 1);
    const [claim] = await store.claim("writer", "another process", 1);
    await pass(leaseMs / 3);
    expect(gate.stopped).toEqual(["Another process has taken over the delivery."]);
    expect(gate.inside).toEqual([]);
    expect(await store.get(id)).toEqual(claim?.delivery);
    expect([announced, problems]).toEqual([[], []]);
  });

  test("a store that cannot be asked is taken for a lost lease only when the time is nearly over", async () => {
    const inner = createLeasedStore();
    const faulty = breakable(inner);
    const { start, accept } = createBench(inner);
    const gate = watchedGate();
    start({ attempt: gate.attempt, store: faulty.store });
    await accept();
    await pass(1);
    faulty.break("extend", 2);
    await pass(2 * leaseMs);
    expect(gate.stopped, "extended in time").toEqual([]);
    faulty.break("extend", 100);
    await pass(leaseMs);
    expect(gate.stopped).toEqual(["Another process has taken over the delivery."]);
  });

  test("a claim that comes late, with little left of its lease, is extended as seldom as any other", async () => {
    const { start, store, accept } = leased();
    const gate = watchedGate();
    let extended = 0;
    start({
      attempt: gate.attempt,
      store: {
        ...store,
        async claim(...asked) {
          const claims = await store.claim(...asked);
          const late = { expiresAt: Date.now() + leaseMs / 50 };
          return claims.map((claim) => ({ ...claim, lease: { ...claim.lease, ...late } }));
        },
        extend(lease) {
          extended++;
          return store.extend(lease);
        },
      },
    });
    await accept();
    await pass(4 * leaseMs);
    expect(gate.stopped).toEqual([]);
    expect(extended).toBeLessThan(20);
  });

  test("a store that does not answer at all: the attempt is stopped before the lease ends", async () => {
    const { start, store, accept } = leased();
    const gate = watchedGate();
    start({ attempt: gate.attempt, store: { ...store, extend: () => new Promise(() => {}) } });
    await accept();
    await pass((leaseMs * 2) / 3);
    expect(gate.stopped).toEqual([]);
    await pass(leaseMs / 3 - 1);
    expect(gate.stopped).toEqual(["Another process has taken over the delivery."]);
  });

  test("a process that stood still does not send twice at once", async () => {
    const { start, store, accept, announced } = leased();
    const gate = createGate({ deaf: true });
    start({ attempt: gate.attempt, store: { ...store, extend: () => new Promise(() => {}) } });
    const { id } = await accept();
    await pass(1);
    expect(gate.inside).toHaveLength(1);
    // Its lease has ended meanwhile, and it is given out again: to the same runner.
    await pass(leaseMs + 61_000);
    expect(gate.most).toBe(1);
    gate.open();
    await pass(1);
    expect(told(announced)).toEqual([`${id} delivered`]);
    expect((await store.get(id))?.attempts).toMatchObject([{ n: 1 }]);
  });

  test("another store's clock that is behind does not make it spin", async () => {
    const inner = createMemoryStore();
    const claim = vi.fn(async () => []);
    const { start, accept } = createBench(inner);
    await accept();
    start({ store: { ...inner, claim }, attempt: async () => receipt });
    await pass(1_000);
    expect(claim.mock.calls.length).toBeGreaterThan(10);
    expect(claim.mock.calls.length).toBeLessThan(60);
  });
});
