import type { Node, NodeMessage } from "node-red";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  createMemoryStore,
  createSpool,
  DeliveryError,
  type DeliveryStore,
  type SourceSpec,
  standardPolicy,
} from "../../src/lib";
import { createDecisions } from "../../src/nodes/retry/decisions";
import { takenOver } from "../../src/nodes/shared/taking-over";
import { attempt, draftOf, errorRecord } from "../lib/store/contract";

// The node waits for seconds until it asks a broken store again.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const once = { ...standardPolicy, attempts: 1 };
const unavailable = { ...errorRecord, kind: "unavailable" as const, retryable: true };

/** A store whose disk is full until `mend`: nothing is done, or only the answers are lost. */
async function broken(when: "before" | "after" = "before") {
  const memory = createMemoryStore();
  let full = true;
  const unlessFull = <A extends unknown[], R>(method: (...request: A) => Promise<R>) => {
    return async (...request: A): Promise<R> => {
      const result = full && when === "before" ? undefined : await method(...request);
      if (full) throw new DeliveryError("local", "The delivery store cannot be used: the disk is full.");
      return result as R;
    };
  };
  const changes = {
    retryAt: unlessFull(memory.retryAt),
    giveUp: unlessFull(memory.giveUp),
  } satisfies Partial<DeliveryStore>;
  const engine = {
    store: { ...memory, ...changes },
    spool: createSpool({ folder: "/nowhere" }),
    keepSource: async (source: SourceSpec) => source,
  };
  const sent: (string | undefined)[][] = [];
  const said: string[] = [];
  const send = (messages: (NodeMessage | null)[]) => {
    sent.push(messages.map((msg) => (msg as { delivery?: { state: string } } | null)?.delivery?.state));
  };
  const error = (sentence: string) => said.push(sentence);
  const node = { id: "retry", status() {}, warn() {}, error, send } as unknown as Node;
  const kept = { message: { topic: "t" }, large: [], property: "delivery" };
  const { delivery } = await memory.accept(draftOf({ message: kept }));
  const [claim] = await memory.claim("writer", "owner", 1);
  if (!claim) throw new Error("Nothing was claimed.");
  await memory.settle(claim, {
    state: "failed",
    attempt: { ...attempt, error: unavailable },
    error: unavailable,
  });
  const mend = () => {
    full = false;
  };
  const { id } = delivery;
  const msg = { error: { deliveryId: id } } as unknown as NodeMessage;
  return { memory, node, enginesOf: () => [engine], id, caller: { msg, send }, sent, said, mend };
}

test("a decision that the store cannot keep is made as soon as it can, and told once", async () => {
  const { memory, node, enginesOf, id, caller, sent, said, mend } = await broken();
  const decisions = createDecisions(node, enginesOf);
  const deciding = decisions.decide(standardPolicy, caller);
  let over = false;
  void takenOver({ id }).then(() => {
    over = true;
  });
  await pass(21_000);
  expect({ sent, over }).toEqual({ sent: [], over: false });
  expect(said).toEqual(["The delivery store cannot be used: the disk is full."]);
  mend();
  await pass(5_000);
  await deciding;
  expect(await memory.get(id)).toMatchObject({ state: "waiting" });
  expect({ sent, over }).toEqual({ sent: [["waiting", undefined]], over: true });
  await decisions.close();
});

test("so is giving up", async () => {
  const { memory, node, enginesOf, id, caller, sent, mend } = await broken();
  const decisions = createDecisions(node, enginesOf);
  const deciding = decisions.decide(once, caller);
  await pass(11_000);
  expect(sent).toEqual([]);
  mend();
  await pass(20_000);
  await deciding;
  expect(await memory.get(id)).toMatchObject({ state: "gave-up", announced: true });
  expect(sent).toEqual([[undefined, "gave-up"]]);
  await decisions.close();
});

test.each([
  [standardPolicy, "waiting", ["waiting", undefined]],
  [once, "gave-up", [undefined, "gave-up"]],
])("a decision of which only the answer was lost is told once, too", async (policy, state, told) => {
  const { memory, node, enginesOf, id, caller, sent } = await broken("after");
  const decisions = createDecisions(node, enginesOf);
  const deciding = decisions.decide(policy, caller);
  await pass(20_000);
  await deciding;
  expect(await memory.get(id)).toMatchObject({ state, announced: true });
  expect(sent).toEqual([told]);
  await decisions.close();
});

test("a deploy meanwhile neither waits for the store nor loses the decision", async () => {
  const { memory, node, enginesOf, id, caller, sent, mend } = await broken();
  const old = createDecisions(node, enginesOf);
  const deciding = old.decide(once, caller);
  await pass(1_000);
  const closed = old.close();
  await pass(10_000);
  await closed;
  const next = createDecisions(node, enginesOf);
  next.start();
  mend();
  await pass(20_000);
  await deciding;
  expect(await memory.get(id)).toMatchObject({ state: "gave-up", announced: true });
  expect(sent).toEqual([[undefined, "gave-up"]]);
  await next.close();
});

test("what nobody knows is not asked for again", async () => {
  const { node, enginesOf, caller } = await broken();
  const decisions = createDecisions(node, enginesOf);
  const unknown = { ...caller, msg: { error: { deliveryId: "nobody" } } as unknown as NodeMessage };
  await expect(decisions.decide(standardPolicy, unknown)).rejects.toMatchObject({ kind: "invalid" });
  await decisions.close();
});

test("what a crash has left untold is told also when the store cannot be asked at the start", async () => {
  const { memory, node, enginesOf, id, sent, said } = await broken();
  await memory.giveUp(id, { reason: "It failed.", by: "retry" });
  let away = true;
  const list: typeof memory.list = async (...request) => {
    if (away) throw new DeliveryError("local", "Another process uses the file.");
    return memory.list(...request);
  };
  const [engine] = enginesOf();
  const decisions = createDecisions(node, () => (engine ? [{ ...engine, store: { ...memory, list } }] : []));
  decisions.start();
  await pass(5_000);
  expect([sent, said]).toEqual([[], ["Another process uses the file."]]);
  away = false;
  await pass(10 * 60_000);
  expect(sent).toEqual([[undefined, "gave-up"]]);
  expect(await memory.get(id)).toMatchObject({ announced: true });
  await decisions.close();
});
