import { expect, test, vi } from "vitest";
import {
  type AttemptFunction,
  DeliveryError,
  describeDelivery,
  type Progress,
  retryDelivery,
  standardPolicy,
  threeQuickTries,
} from "../../../src/lib";
import { createBench, createGate, draftOf, poll, receipt, succeed, told } from "./runner-bench";

const unavailable = () => Promise.reject(new DeliveryError("unavailable", "Nothing answers there."));
const noWait = { ...threeQuickTries, firstDelayMs: 0 };

test("what it accepts is delivered", async () => {
  const { start, reaches, announced } = createBench();
  const runner = start();
  const draft = draftOf();
  expect(await runner.accept(draft)).toMatchObject({ duplicate: false, delivery: { state: "queued" } });
  const delivered = await reaches(draft.id, "delivered");
  expect(delivered).toMatchObject({ receipt, attempts: [{ n: 1 }] });
  expect(told(announced)).toEqual([`${draft.id} delivered`]);
});

test("skipped is announced as such", async () => {
  const { start, accept, reaches, announced } = createBench();
  start({ attempt: async () => ({ ...receipt, outcome: "skipped" }) });
  const { id } = await accept();
  await reaches(id, "skipped");
  expect(told(announced)).toEqual([`${id} skipped`]);
});

test("a duplicate is neither sent nor announced again", async () => {
  const { start, reaches, announced } = createBench();
  const attempt = vi.fn(succeed);
  const runner = start({ attempt });
  const draft = draftOf({ onceKey: "today" });
  await runner.accept(draft);
  await reaches(draft.id, "delivered");
  expect(await runner.accept(draftOf({ onceKey: "today" }))).toMatchObject({ duplicate: true });
  expect(attempt).toHaveBeenCalledTimes(1);
  expect(announced).toHaveLength(1);
});

test("a result is announced only when the store has it", async () => {
  const { store, start, accept, reaches } = createBench();
  const seen: unknown[] = [];
  start({
    announce: async ({ id, version }) => {
      const stored = await store.get(id);
      seen.push([stored?.state, stored?.version === version, stored?.announced]);
    },
  });
  const { id } = await accept();
  await reaches(id, "delivered");
  expect(seen).toEqual([["delivered", true, false]]);
});

test("what was there before the start is sent, too; nothing before it", async () => {
  const { store, accept, reaches, start, state } = createBench();
  const { id } = await accept();
  const other = await store.accept(draftOf({ writer: { id: "other", type: "test", name: "" } }));
  expect(await state(id)).toBe("queued");
  start();
  await reaches(id, "delivered");
  expect(await state(other.delivery.id)).toBe("queued");
});

test.each([1, 3])(
  "never more than %i at a time, and never fewer while there is work",
  async (concurrency) => {
    const { start, accept, reaches } = createBench();
    const gate = createGate();
    start({ attempt: gate.attempt, concurrency });
    const ids = await Promise.all(Array.from({ length: 10 }, async () => (await accept()).id));
    await poll(() => gate.inside.length).toBe(concurrency);
    gate.open();
    for (const id of ids) await reaches(id, "delivered");
    expect(gate.most).toBe(concurrency);
  },
);

test("four at a time unless told otherwise", async () => {
  const { start, accept } = createBench();
  const gate = createGate();
  start({ attempt: gate.attempt });
  for (let n = 0; n < 6; n++) await accept();
  await poll(() => gate.inside.length).toBe(4);
});

test("failed stays failed until somebody decides", async () => {
  const { start, accept, reaches, announced, state } = createBench();
  const attempt = vi.fn(unavailable);
  start({ attempt });
  const { id } = await accept();
  const failed = await reaches(id, "failed");
  expect(failed).toMatchObject({ error: { kind: "unavailable" }, attempts: [{ n: 1 }] });
  await accept();
  await poll(() => attempt.mock.calls.length).toBe(2);
  expect(await state(id)).toBe("failed");
  expect(announced.filter((one) => one.id === id)).toHaveLength(1);
});

test("a retried delivery waits, and is attempted again when due, with the same request", async () => {
  const { store, start, accept, reaches, announced } = createBench();
  const attempt = vi.fn<AttemptFunction>(unavailable);
  start({ attempt });
  const { id } = await accept({ message: { topic: "orders" } });
  const failed = await reaches(id, "failed");
  attempt.mockImplementation(succeed);
  const policy = { ...threeQuickTries, firstDelayMs: 60 };
  const askedAt = Date.now();
  const outcome = await retryDelivery(store, { id, policy, by: "retry" });
  expect(outcome).toMatchObject({ state: "waiting", delivery: { id, state: "waiting" } });
  const dueAt = outcome.delivery?.dueAt ?? 0;
  expect(dueAt).toBeGreaterThanOrEqual(askedAt + 60);
  const delivered = await reaches(id, "delivered");
  expect(delivered.attempts).toMatchObject([{ n: 1, error: { kind: "unavailable" } }, { n: 2 }]);
  expect(delivered.attempts[1]?.startedAt).toBeGreaterThanOrEqual(dueAt);
  expect(told(announced)).toEqual([`${id} failed`, `${id} delivered`]);
  const requests = attempt.mock.calls.map(([{ source, target, metadata, message }]) => ({
    source,
    target,
    metadata,
    message,
  }));
  expect(requests[1]).toEqual(requests[0]);
  expect(failed.message).toEqual({ topic: "orders" });
});

test("retrying ends in given up, with the reason, and touches nothing else", async () => {
  const { store, start, accept, reaches } = createBench();
  start({ attempt: unavailable });
  const { id } = await accept();
  const request = { id, policy: noWait, by: "retry" };
  for (let n = 1; n < 3; n++) {
    await reaches(id, "failed");
    expect((await retryDelivery(store, request)).state).toBe("waiting");
    await poll(async () => (await store.get(id))?.attempts.length).toBe(n + 1);
  }
  await reaches(id, "failed");
  const outcomes = await Promise.all([retryDelivery(store, request), retryDelivery(store, request)]);
  expect(outcomes.map(({ state }) => state)).toEqual(["gave-up", "untouched"]);
  expect(outcomes[0]?.delivery).toMatchObject({ reason: "All 3 attempts failed.", announced: false });
  const unknown = await retryDelivery(store, { ...request, id: "unknown" });
  expect(unknown).toEqual({ state: "untouched", delivery: undefined });
});

test("a failed delivery gives way to a later one with the same key", async () => {
  const { store, start, accept, reaches } = createBench();
  const gate = createGate();
  const attempt = vi.fn(gate.attempt).mockImplementationOnce(unavailable);
  start({ attempt });
  const { id } = await accept({ onceKey: "today" });
  await reaches(id, "failed");
  const later = await accept({ onceKey: "today" });
  const outcome = await retryDelivery(store, { id, policy: standardPolicy, by: "retry" });
  expect(outcome).toMatchObject({
    state: "gave-up",
    delivery: { reason: expect.stringMatching(/same key/) },
  });
  gate.open();
  await reaches(later.id, "delivered");
});

test("a local failure is not counted, and the next attempt has its number", async () => {
  const { store, start, accept, reaches } = createBench();
  const full = () => Promise.reject(new DeliveryError("local", "The disk is full."));
  start({ attempt: vi.fn(succeed).mockImplementationOnce(full) });
  const { id } = await accept();
  const failed = await reaches(id, "failed");
  expect(describeDelivery(failed).attempt).toBe(0);
  await store.retryAt(id, 0);
  const delivered = await reaches(id, "delivered");
  expect(delivered.attempts).toMatchObject([{ n: 1, error: { kind: "local" } }, { n: 1 }]);
});

test("a refused delivery is kept and announced as failed, and never sent", async () => {
  const { start, reaches, announced, store } = createBench();
  const attempt = vi.fn(succeed);
  const runner = start({ attempt });
  const draft = draftOf();
  const refused = await runner.refuse(draft, new DeliveryError("unavailable", "The file is busy."));
  expect(refused).toMatchObject({ state: "failed", attempts: [], error: { retryable: false } });
  expect(refused.error?.message).toMatch(/^The file is busy\. It was not accepted, .* send it anew/);
  await reaches(draft.id, "failed");
  expect(told(announced)).toEqual([`${draft.id} failed`]);
  const decided = await retryDelivery(store, { id: draft.id, policy: standardPolicy, by: "retry" });
  expect(decided.state).toBe("gave-up");
  expect(attempt).not.toHaveBeenCalled();
});

test("cancels what is queued, waiting and being sent, and announces it once", async () => {
  const { store, start, accept, reaches, announced } = createBench();
  const gate = createGate();
  const attempt = vi.fn(gate.attempt).mockImplementationOnce(unavailable);
  const runner = start({ attempt, concurrency: 1 });
  const waiting = await accept();
  await reaches(waiting.id, "failed");
  await store.retryAt(waiting.id, Date.now() + 60_000);
  const sending = await accept();
  const queued = await accept();
  await reaches(sending.id, "sending");
  for (const { id } of [queued, waiting, sending]) {
    expect(await runner.cancel(id)).toBe(true);
    const cancelled = await reaches(id, "cancelled");
    expect(cancelled.error).toMatchObject({ kind: "cancelled", message: "The delivery was cancelled." });
    expect(await runner.cancel(id)).toBe(false);
  }
  expect(told(announced).slice(1)).toEqual([queued, waiting, sending].map(({ id }) => `${id} cancelled`));
  expect(gate.inside).toEqual([]);
  expect(await runner.cancel("unknown")).toBe(false);
});

test("what is delivered in spite of a cancel is delivered", async () => {
  const { start, accept, reaches, announced } = createBench();
  const gate = createGate({ deaf: true });
  const runner = start({ attempt: gate.attempt });
  const { id } = await accept();
  await reaches(id, "sending");
  const answer = runner.cancel(id);
  gate.open();
  expect(await answer).toBe(false);
  await reaches(id, "delivered");
  expect(told(announced)).toEqual([`${id} delivered`]);
});

test("tells of start, progress and end, in this order", async () => {
  const { start, accept, reaches } = createBench();
  const events: unknown[] = [];
  let late = (_bytes: number) => {};
  const runner = start({
    attempt: async (_delivery, { onProgress }) => {
      late = onProgress;
      onProgress(3);
      await new Promise((resolve) => setTimeout(resolve, 260));
      onProgress(4);
      return receipt;
    },
  });
  runner.on("started", ({ id, state }) => events.push([id, "started", state]));
  runner.on("progress", ({ id }, progress: Progress) => events.push([id, "progress", progress]));
  runner.on("settled", ({ id, state }) => events.push([id, "settled", state]));
  const { id } = await accept();
  await reaches(id, "delivered");
  await new Promise((resolve) => setTimeout(resolve, 260));
  late(5);
  expect(events).toEqual([
    [id, "started", "sending"],
    [id, "progress", { bytes: 7, total: 7, bytesPerSecond: expect.any(Number) }],
    [id, "settled", "delivered"],
  ]);
});

test("an unknown error is a bug, and what it says is not passed on", async () => {
  const { start, accept, reaches } = createBench();
  const secret = "password=canary-7";
  const thrown = Object.assign(new TypeError(`${secret}\n    at ${secret} (more:1:1)`), { token: secret });
  const attempt = vi
    .fn(succeed)
    .mockRejectedValueOnce(thrown)
    .mockRejectedValueOnce(secret)
    .mockResolvedValueOnce(undefined as unknown as typeof receipt);
  start({ attempt, concurrency: 1 });
  for (const name of ["TypeError", "string", "TypeError"]) {
    const { id } = await accept();
    const { error } = await reaches(id, "failed");
    expect(error).toMatchObject({
      kind: "internal",
      retryable: false,
      message: `An unexpected ${name} stopped the delivery. Please report it.`,
    });
    expect(error?.stack).toMatch(/runner.*\.ts/);
    expect(JSON.stringify(error)).not.toContain("canary-7");
  }
});

test("listeners that throw harm neither the delivery nor its announcement", async () => {
  const { start, accept, reaches, announced, problems } = createBench();
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const runner = start({
    attempt: async (_delivery, { onProgress }) => {
      await new Promise((resolve) => setTimeout(resolve, 260));
      onProgress(1);
      return receipt;
    },
  });
  const fail = () => {
    throw new Error("The listener is broken.");
  };
  for (const event of ["started", "progress", "settled", "problem"] as const) runner.on(event, fail);
  const { id } = await accept();
  await reaches(id, "delivered");
  expect(told(announced)).toEqual([`${id} delivered`]);
  expect(problems).toEqual([]);
  expect(warn).toHaveBeenCalledTimes(3);
  warn.mockRestore();
});
