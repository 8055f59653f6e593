import type { Node, NodeMessage } from "node-red";
import { expect, test } from "vitest";
import { createMemoryStore, createSpool, type SourceSpec, threeQuickTries } from "../../src/lib";
import { createDecisions } from "../../src/nodes/retry/decisions";
import { draftOf, errorRecord } from "../lib/store/contract";

test("a message that reaches a closed retry node is told of by the one that is there by then, once", async () => {
  const store = createMemoryStore();
  const spool = createSpool({ folder: "/nowhere" });
  const engine = { store, spool, keepSource: async (source: SourceSpec) => source };
  const sent: { delivery?: { id: string } }[] = [];
  const send = (messages: (NodeMessage | null)[]) => sent.push(messages[1] as (typeof sent)[number]);
  const node = { id: "retry", status() {}, warn() {}, error() {}, send } as unknown as Node;
  const message = { message: { topic: "t" }, large: [], property: "delivery" };
  const stale = createDecisions(node, () => [engine]);
  await stale.close();
  const next = createDecisions(node, () => [engine]);
  next.start();
  const { id } = await store.refuse(draftOf({ message }), errorRecord);
  await stale.decide(threeQuickTries, { msg: { error: { deliveryId: id } } as NodeMessage, send });
  await expect.poll(() => sent, { timeout: 10_000 }).toHaveLength(1);
  // What it decides on itself it tells once, too.
  const own = await store.refuse(draftOf({ message }), errorRecord);
  await next.decide(threeQuickTries, { msg: { error: { deliveryId: own.id } } as NodeMessage, send });
  await next.close();
  expect(sent.map(({ delivery }) => delivery?.id)).toEqual([id, own.id]);
  expect((await store.list({ announced: false, states: ["gave-up"] })).deliveries).toEqual([]);
});

test("what a retry node gives up while it is closed is told by the next one, once", async () => {
  let release = () => {};
  const disk = new Promise<void>((resolve) => {
    release = resolve;
  });
  const memory = createMemoryStore();
  const giveUp: typeof memory.giveUp = async (...request) => {
    await disk;
    return memory.giveUp(...request);
  };
  const spool = createSpool({ folder: "/nowhere" });
  const engine = { store: { ...memory, giveUp }, spool, keepSource: async (source: SourceSpec) => source };
  const sent: unknown[] = [];
  const send = (messages: (NodeMessage | null)[]) => sent.push(messages[1]);
  const node = { id: "retry", status() {}, warn() {}, error() {}, send } as unknown as Node;
  const message = { message: { topic: "t" }, large: [], property: "delivery" };
  const { id } = await memory.refuse(draftOf({ message }), errorRecord);

  const old = createDecisions(node, () => [engine]);
  const deciding = old.decide(threeQuickTries, { msg: { error: { deliveryId: id } } as NodeMessage, send });
  const closed = old.close();
  setTimeout(release, 50);
  await closed;
  const next = createDecisions(node, () => [engine]);
  next.start();
  await deciding;
  await expect.poll(() => sent).toHaveLength(1);
  await next.close();
  expect(sent).toEqual([expect.objectContaining({ topic: "t" })]);
  expect(sent[0]).toMatchObject({ delivery: { id, state: "gave-up" } });
});
