import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FlowNode, useRuntime } from "./support/runtime";
import {
  bucket,
  credentialsOf,
  ends,
  ftpConnection,
  ftpWriter,
  retry,
  s3Connection,
  s3Writer,
  useServers,
  watchers,
} from "./support/servers";

const servers = useServers();
const runtime = useRuntime();
let undo = () => {};

beforeEach(() => {
  servers.ftp.hook = undefined;
});
afterEach(() => undo());

const flow = (...nodes: FlowNode[]) => [
  s3Connection(servers),
  ftpConnection(servers),
  ...nodes,
  ...ends("delivered", "failed", "retrying", "gaveUp"),
  ...watchers("writer"),
];

const load = (...nodes: FlowNode[]) => runtime.load(flow(...nodes), credentialsOf(servers));

/** Delays the first upload, and resolves when it has begun. */
function holdUpload(delayMs: number): Promise<void> {
  return new Promise((begun) => {
    let uploads = 0;
    undo = servers.s3.onRequest(({ operation }) => {
      if (operation !== "PutObject" || ++uploads > 1) return undefined;
      begun();
      return { delayMs };
    });
  });
}

const uploadsOf = (key: string) =>
  servers.s3.requests.filter((request) => request.operation === "PutObject" && request.key === key).length;

describe.each(["full", "flows", "nodes"] as const)("a deploy of the kind %s", (type) => {
  test("lets what is being sent finish; the new node tells of it, once", async () => {
    const key = `in-flight-${type}`;
    const uploading = holdUpload(600);
    await load(s3Writer({ key }));
    const id = runtime.send("writer", { payload: "x", topic: "t" });
    await uploading;
    await runtime.deploy(flow(s3Writer({ key, name: "Renamed" })), type);
    const { delivery, ...rest } = await runtime.next("delivered");
    expect(rest).toEqual({ _msgid: id, payload: "x", topic: "t" });
    expect(delivery).toMatchObject({ state: "delivered", attempt: 1, target: key });
    await sleep(400);
    expect(runtime.received("delivered")).toHaveLength(1);
    expect(uploadsOf(key)).toBe(1);
  });

  test("does not disturb a delivery that waits for its time", async () => {
    let failures = 1;
    servers.ftp.hook = (command) =>
      command === "STOR" && failures-- > 0 ? { reply: "450 Busy" } : undefined;
    const writer = ftpWriter({ path: `waiting-${type}`, wires: [["delivered"], ["retry"]] });
    await load(writer, retry({ preset: "three-quick-tries" }));
    runtime.send("writer", { payload: "x" });
    const { delivery } = await runtime.next("retrying");
    await runtime.deploy(flow({ ...writer, name: "Renamed" }, retry({ preset: "standard" })), type);
    const again = (await runtime.next("delivered")).delivery;
    expect(again).toMatchObject({ id: delivery.id, state: "delivered", attempt: 2 });
    const late = Date.parse(again.attempts[1].startedAt) - Date.parse(delivery.nextAttemptAt);
    expect(late).toBeGreaterThanOrEqual(-20);
    expect(late).toBeLessThan(10_000);
    expect(runtime.received("delivered")).toHaveLength(1);
  });
});

test("what does not finish within the grace is broken off, and sent anew by the new node", async () => {
  const uploading = holdUpload(60_000);
  await load(s3Writer({ key: "stalled" }));
  runtime.send("writer", { payload: "x" });
  await uploading;
  const started = performance.now();
  await runtime.deploy(flow(s3Writer({ key: "stalled", name: "Renamed" })));
  expect(performance.now() - started).toBeLessThan(14_000);
  const { delivery } = await runtime.next("delivered");
  expect(delivery).toMatchObject({ state: "delivered", attempt: 1 });
  expect(delivery.attempts).toHaveLength(1);
  expect(uploadsOf("stalled")).toBe(2);
  expect(String(await servers.s3.read(bucket, "stalled"))).toBe("x");
});

test("the deliveries of a removed writer stay, and go on when it comes back", async () => {
  const uploading = holdUpload(300);
  await load(s3Writer({ key: "removed/{{msg.n}}", concurrency: 1 }));
  for (const n of [1, 2, 3]) runtime.send("writer", { payload: "x", n });
  await uploading;
  await runtime.deploy(flow(s3Writer({ id: "another" })));
  await sleep(200);
  expect(runtime.received("delivered")).toEqual([]);
  await runtime.deploy(flow(s3Writer({ key: "other/{{msg.n}}" })));
  const delivered = [];
  for (const _ of [1, 2, 3]) delivered.push((await runtime.next("delivered")).delivery.target);
  expect(delivered.sort()).toEqual(["removed/1", "removed/2", "removed/3"]);
  expect([1, 2, 3].map((n) => uploadsOf(`removed/${n}`))).toEqual([1, 1, 1]);
});

test("a message of before the deploy that fails afterwards goes where the new node's wires go", async () => {
  const uploading = holdUpload(300);
  await load(s3Writer({ key: "rewired", wires: [["delivered"], []] }));
  const release = servers.s3.onRequest(({ operation, key }) =>
    operation === "PutObject" && key === "rewired-2"
      ? { answer: { status: 403, code: "AccessDenied" } }
      : undefined,
  );
  await runtime.deploy(
    flow(s3Writer({ key: "rewired{{msg.n}}", concurrency: 1, wires: [["delivered"], []] })),
  );
  runtime.send("writer", { payload: "x", n: "-1" });
  runtime.send("writer", { payload: "x", n: "-2" });
  await uploading;
  await runtime.deploy(flow(s3Writer({ key: "x", name: "Renamed", wires: [["delivered"], []] })));
  const caught = await runtime.next("caught");
  release();
  expect(caught).toMatchObject({
    n: "-2",
    delivery: { state: "failed", target: "rewired-2" },
    error: { code: "AccessDenied" },
  });
});

test("twenty deploys in a row leave no listener and lose nothing", async () => {
  await load(s3Writer({ key: "many/{{msg.n}}" }));
  const { events } = require("node-red");
  const before = events.listenerCount("flows:started");
  for (let n = 0; n < 20; n++) {
    runtime.send("writer", { payload: "x", n });
    await runtime.deploy(flow(s3Writer({ key: "many/{{msg.n}}", name: `${n}` })), "nodes");
  }
  const arrived = new Set<number>();
  for (let n = 0; n < 20; n++) arrived.add((await runtime.next("delivered")).n);
  expect(arrived.size).toBe(20);
  expect(runtime.received("delivered")).toHaveLength(20);
  expect(events.listenerCount("flows:started")).toBeLessThanOrEqual(before + 1);
});
