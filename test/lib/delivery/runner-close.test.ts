import { expect, test, vi } from "vitest";
import { DeliveryError } from "../../../src/lib";
import { createBench, createGate, draftOf, poll, receipt, succeed, told } from "./runner-bench";

test("what is under way may finish, and the next runner announces it, once", async () => {
  const { start, accept, state, announced, reaches } = createBench();
  const gate = createGate();
  const old = start({ attempt: gate.attempt, concurrency: 2 });
  const ids = [(await accept()).id, (await accept()).id, (await accept()).id];
  await poll(() => gate.inside.length).toBe(2);
  const closed = old.close({ graceMs: 5_000 });
  gate.open();
  await closed;
  expect(await Promise.all(ids.map(state))).toEqual(["delivered", "delivered", "queued"]);
  expect(announced).toEqual([]);
  start();
  for (const id of ids) await reaches(id, "delivered");
  expect(told(announced).sort()).toEqual(ids.map((id) => `${id} delivered`).sort());
});

test("what does not finish in time is interrupted, not counted, and taken on by the next", async () => {
  const { start, accept, state, announced, reaches, problems } = createBench();
  const gate = createGate();
  const old = start({ attempt: gate.attempt });
  const { id } = await accept();
  await reaches(id, "sending");
  const startedMs = performance.now();
  await old.close({ graceMs: 50 });
  expect(performance.now() - startedMs).toBeGreaterThan(45);
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  expect(await state(id)).toBe("queued");
  expect([announced, problems, gate.inside]).toEqual([[], [], []]);
  start();
  const delivered = await reaches(id, "delivered");
  expect(delivered.attempts).toMatchObject([{ n: 1 }]);
  expect(told(announced)).toEqual([`${id} delivered`]);
});

test("failed and cancelled results are left over as well", async () => {
  const { start, store, accept, announced, state } = createBench();
  const gate = createGate();
  const old = start({
    attempt: async (delivery, context) => {
      await gate.attempt(delivery, context);
      throw new DeliveryError("denied", "The password is wrong.");
    },
  });
  const failing = await accept();
  await poll(() => state(failing.id)).toBe("sending");
  const closed = old.close();
  gate.open();
  await closed;
  expect(await state(failing.id)).toBe("failed");
  const { id } = await accept();
  await store.cancel(id, { kind: "cancelled", message: "It was cancelled.", retryable: true });
  const next = start();
  await poll(() => announced.length).toBe(2);
  await next.close();
  start();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(told(announced).sort()).toEqual([`${failing.id} failed`, `${id} cancelled`].sort());
});

test("hundreds of left-over results are announced once each, also while more come", async () => {
  const { start, store, accept, announced, reaches } = createBench();
  const quiet = start({
    announce: () => {
      throw new Error("There is no wire.");
    },
  });
  for (let n = 0; n < 250; n++) await accept();
  await poll(async () => (await store.counts()).delivered).toBe(250);
  await quiet.close();
  expect(announced).toEqual([]);
  const runner = start({
    announce: async (delivery) => {
      announced.push(delivery);
      await Promise.resolve();
    },
  });
  const refusals = Array.from({ length: 20 }, async () => {
    const draft = draftOf();
    await runner.refuse(draft, new DeliveryError("invalid", "The name is empty."));
  });
  await Promise.all(refusals);
  const { id } = await accept();
  await reaches(id, "delivered");
  await poll(async () => (await store.list({ announced: false })).deliveries.length).toBe(0);
  expect(announced).toHaveLength(271);
  expect(new Set(announced.map((delivery) => delivery.id)).size).toBe(271);
});

test("a refusal whose announcement takes long is not announced again by the start", async () => {
  const { start, announced, reaches, accept } = createBench();
  let release = () => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const runner = start({
    announce: async (delivery) => {
      announced.push(delivery);
      await slow;
    },
  });
  const draft = draftOf();
  const refused = runner.refuse(draft, new DeliveryError("invalid", "The name is empty."));
  await new Promise((resolve) => setTimeout(resolve, 20));
  release();
  await refused;
  const { id } = await accept();
  await reaches(id, "delivered");
  expect(told(announced)).toEqual([`${draft.id} failed`, `${id} delivered`]);
});

test("an announcement that throws is made again by the next runner, if that comes first", async () => {
  const { start, accept, announced, problems, reaches, state } = createBench();
  const failing = vi.fn(() => Promise.reject(new Error("canary: the wire is cut")));
  const old = start({ announce: failing });
  const { id } = await accept();
  await poll(() => problems.length).toBe(1);
  expect(problems[0]?.message).not.toContain("canary");
  expect(await state(id)).toBe("delivered");
  await old.close();
  start();
  await reaches(id, "delivered");
  expect(failing).toHaveBeenCalledTimes(1);
  expect(told(announced)).toEqual([`${id} delivered`]);
});

test("close waits for an announcement, so that the next runner does not repeat it", async () => {
  const { start, accept, announced, store } = createBench();
  let release = () => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const announce = async (delivery: (typeof announced)[number]) => {
    announced.push(delivery);
    await slow;
  };
  const quiet = start({ announce: () => Promise.reject(new Error("No wire.")) });
  const { id } = await accept();
  await poll(async () => (await store.get(id))?.state).toBe("delivered");
  await quiet.close();
  const old = start({ announce });
  await poll(() => announced.length).toBe(1);
  const closed = old.close();
  setTimeout(release, 20);
  await closed;
  start({ announce });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(told(announced)).toEqual([`${id} delivered`]);
});

test("an attempt that ends long after close is announced by the runner that is there by then", async () => {
  vi.useFakeTimers();
  try {
    const { start, accept, announced, state } = createBench();
    const gate = createGate({ deaf: true });
    const old = start({ attempt: gate.attempt });
    const { id } = await accept();
    await vi.advanceTimersByTimeAsync(1);
    const closed = old.close({ graceMs: 1_000 });
    await vi.advanceTimersByTimeAsync(6_000);
    await closed;
    const attempt = vi.fn(succeed);
    start({ attempt });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await state(id)).toBe("sending");
    gate.open();
    await vi.advanceTimersByTimeAsync(1);
    expect(await state(id)).toBe("delivered");
    await vi.advanceTimersByTimeAsync(200_000);
    expect(told(announced)).toEqual([`${id} delivered`]);
    expect(attempt).not.toHaveBeenCalled();
  } finally {
    vi.useRealTimers();
  }
});

test("closing twice, before the start and without work", async () => {
  const { start, accept, state, store } = createBench();
  const gate = createGate();
  const runner = start({ attempt: gate.attempt });
  const { id } = await accept();
  await poll(() => state(id)).toBe("sending");
  let done = 0;
  const both = [runner.close({ graceMs: 30 }), runner.close({ graceMs: 30 })];
  for (const closed of both) void closed.then(() => done++);
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(done).toBe(0);
  await Promise.all(both);
  runner.start();
  expect(await state(id)).toBe("queued");
  const startedMs = performance.now();
  await start().close();
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expect((await store.counts()).sending).toBe(0);
});

test("what was claimed while it closed goes back", async () => {
  const bench = createBench();
  let release = () => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { claim } = bench.store;
  const attempt = vi.fn(async () => receipt);
  const store = {
    ...bench.store,
    claim: async (...parameters: Parameters<typeof claim>) => {
      const claims = await claim(...parameters);
      await slow;
      return claims;
    },
  };
  const { id } = await bench.accept();
  const runner = bench.start({ store, attempt });
  await poll(() => bench.state(id)).toBe("sending");
  const closed = runner.close();
  release();
  await closed;
  expect(await bench.state(id)).toBe("queued");
  expect(attempt).not.toHaveBeenCalled();
});
