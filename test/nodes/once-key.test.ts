import { readdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { quick, useRetry } from "./support/flows";
import type { FlowNode } from "./support/runtime";
import {
  credentialsOf,
  ends,
  ftpConnection,
  ftpWriter,
  retry,
  s3Connection,
  s3Writer,
  watchers,
} from "./support/servers";

const { servers, runtime, failStor } = useRetry();

/** Its second output is wired to the retry node, and to an end. */
const writer = (settings: Record<string, unknown> = {}) =>
  ftpWriter({
    onceKey: "{{msg.topic}}",
    path: "{{msg.n}}.txt",
    wires: [["delivered"], ["retry", "failed"]],
    ...settings,
  });
const send = (topic: string, n: number) => runtime.send("writer", { payload: "x", topic, n });
const stored = async () => (await readdir(servers.ftp.root)).sort();
const flow = (policy: object, ...nodes: FlowNode[]) => [
  s3Connection(servers),
  ftpConnection(servers),
  ...nodes,
  retry({ ...quick, ...policy }),
  ...ends("delivered", "failed", "retrying", "gaveUp"),
  ...watchers("writer"),
];
const load = (...nodes: FlowNode[]) => runtime.load(flow({}, ...nodes), credentialsOf(servers));

describe.each([
  ["the file of this Node-RED", undefined],
  ["memory", "memory"],
])("a writer that delivers once, on %s", (_, kind) => {
  const store: FlowNode[] = kind ? [{ id: "store", type: "delivery-store", kind }] : [];
  const settings = kind ? { store: "store" } : {};

  test("delivers one message of those with the same text, and tells what became of it", async () => {
    await load(...store, writer(settings));
    send("monday", 1);
    const { delivery } = await runtime.next("delivered");
    await runtime.next("completed");
    send("monday", 2);
    const { delivery: earlier, ...held } = await runtime.next("completed");
    expect(held).toMatchObject({ payload: "x", topic: "monday", n: 2 });
    expect(earlier).toEqual(delivery);
    await runtime.status("writer", { fill: "green", shape: "ring", text: "delivered before: 1.txt" });
    send("tuesday", 3);
    expect((await runtime.next("delivered")).n).toBe(3);
    expect(await stored()).toEqual(expect.arrayContaining(["1.txt", "3.txt"]));
    expect(await stored()).not.toContain("2.txt");
    expect([...runtime.received("failed"), ...runtime.received("caught")]).toEqual([]);
  });

  test("holds back what comes while the first is under way", async () => {
    servers.ftp.hook = (command) => (command === "STOR" ? { lastReplyDelayMs: 1_000 } : undefined);
    await load(...store, writer(settings));
    for (const n of [11, 12, 13]) send("monday", n);
    const held = [await runtime.next("completed"), await runtime.next("completed")];
    for (const { delivery } of held) expect(delivery).toMatchObject({ target: "11.txt" });
    expect(held.map(({ delivery }) => delivery.state)).not.toContain("delivered");
    await runtime.status("writer", /^sending/);
    expect((await runtime.next("delivered")).n).toBe(11);
    expect(runtime.received("delivered")).toHaveLength(1);
  });

  test("takes the text again when its delivery was given up", async () => {
    failStor(3);
    await load(...store, writer(settings));
    send("monday", 21);
    expect((await runtime.next("gaveUp")).n).toBe(21);
    send("monday", 22);
    expect((await runtime.next("delivered")).n).toBe(22);
    send("monday", 23);
    await runtime.status("writer", /^delivered before: 22\.txt$/);
  });
});

test("what waits for another try holds its text", async () => {
  failStor(1);
  await runtime.load(flow({ firstDelaySeconds: "2" }, writer()), credentialsOf(servers));
  send("monday", 31);
  expect((await runtime.next("retrying")).n).toBe(31);
  send("monday", 32);
  await expect.poll(() => runtime.received("completed").map(({ n }) => n)).toContain(32);
  const { delivery } = runtime.received("completed").find(({ n }) => n === 32) ?? {};
  expect(delivery).toMatchObject({ state: "waiting", target: "31.txt", attempt: 1 });
  const arrived = await runtime.next("delivered");
  expect([arrived.n, arrived.delivery.attempt]).toEqual([31, 2]);
  expect(runtime.received("delivered")).toHaveLength(1);
});

test("a text is remembered through deploys, and each writer has its own", async () => {
  const second = s3Writer({ id: "second", key: "{{msg.n}}", onceKey: "{{msg.topic}}" });
  await load(writer(), second);
  send("monday", 41);
  await runtime.next("delivered");
  await runtime.deploy(flow({}, writer({ name: "Renamed" }), second), "full");
  send("monday", 42);
  await runtime.status("writer", /^delivered before: 41\.txt$/);
  runtime.send("second", { payload: "x", topic: "monday", n: 43 });
  expect((await runtime.next("delivered")).n).toBe(43);
});

test("an empty text holds nothing back, and a value that does not exist is an error", async () => {
  await load(writer({ onceKey: "{{#msg.topic}}{{msg.topic}}{{/msg.topic}}" }));
  for (const n of [51, 52]) {
    runtime.send("writer", { payload: "x", n });
    expect((await runtime.next("delivered")).n).toBe(n);
  }
  await runtime.deploy(flow({}, writer()), "nodes");
  runtime.send("writer", { payload: "x", n: 53 });
  expect((await runtime.next("failed")).error).toMatchObject({ kind: "invalid" });
});
