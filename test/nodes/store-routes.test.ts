import { randomUUID } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { type FlowNode, useRuntime } from "./support/runtime";
import { credentialsOf, ends, ftpConnection, ftpWriter, retry, useServers } from "./support/servers";

const servers = useServers();
const runtime = useRuntime();
const root = "/delivery-store/deliveries";

function flow(...more: FlowNode[]): FlowNode[] {
  return [
    ftpConnection(servers),
    { id: "store", type: "delivery-store", kind: "memory" },
    ftpWriter({ wires: [["delivered"], ["failed", "retry"]], concurrency: "1" }),
    retry({ preset: "custom", attempts: "3", firstDelaySeconds: "600" }),
    ...ends("delivered", "failed", "retrying", "gaveUp"),
    ...more,
  ];
}

/** What the server says to each upload. */
let replies: string[] = [];
beforeEach(() => {
  replies = [];
  servers.ftp.hook = (command) => {
    const reply = command === "STOR" ? replies.shift() : undefined;
    return reply === undefined ? undefined : { reply };
  };
});

const deliver = (name: string) =>
  runtime.send("writer", { source: { kind: "text", name, text: "hello" }, topic: name });
const list = async (query = "") => (await runtime.get(`${root}${query}`)).body;

test("lists what there is, filtered and in pages, with no link in it", async () => {
  await runtime.load(flow(), credentialsOf(servers));
  deliver("a.txt");
  await runtime.next("delivered");
  replies = ["450 Busy"];
  deliver("b.txt");
  await runtime.next("retrying");
  const all = await list();
  expect(all.deliveries).toMatchObject([
    { target: "b.txt", state: "waiting", writerIsGone: false, error: { kind: "unavailable", code: "450" } },
    { target: "a.txt", state: "delivered", writer: { id: "writer" }, bytes: 5 },
  ]);
  expect(all.counts).toMatchObject({ waiting: 1, delivered: 1, queued: 0 });
  expect(all.deliveries[1]).not.toHaveProperty("url");
  const targets = async (query: string) =>
    (await list(query)).deliveries.map(({ target }: { target: string }) => target);
  expect(await targets("?state=delivered")).toEqual(["a.txt"]);
  expect(await targets("?state=waiting,failed&state=queued&writer=writer")).toEqual(["b.txt"]);
  expect(await targets("?writer=another")).toEqual([]);
  expect(await targets("?store=store")).toEqual([]);
  const first = await list("?limit=1");
  expect(await targets(`?limit=1&after=${first.next}`)).toEqual(["a.txt"]);
});

test.each([
  ["?state=lost", /state can hold only queued, sending/],
  ["?state[a]=b", /state can hold only/],
  ["?limit=many", /limit must be a whole number from 1 to 1000/],
  ["?after=../..", /after must be what an earlier page gave/],
  ["?store=nothing", /There is no delivery store node nothing/],
])("a list of %s is refused in words", async (query, sentence) => {
  await runtime.load(flow(), credentialsOf(servers));
  const { status, body } = await runtime.get(`${root}${query}`);
  expect([status, body.kind]).toEqual([400, "invalid"]);
  expect(body.error).toMatch(sentence);
});

test("what waits is retried at once, and what has ended is sent again, both with the message", async () => {
  await runtime.load(flow(), credentialsOf(servers));
  replies = ["450 Busy"];
  deliver("c.txt");
  const { delivery } = await runtime.next("retrying");
  const again = await runtime.ask(`${root}/${delivery.id}/send-again`);
  expect(again).toMatchObject({
    status: 409,
    body: { error: expect.stringMatching(/is waiting\. Only what has/) },
  });
  expect(await runtime.ask(`${root}/${delivery.id}/retry`)).toMatchObject({
    status: 200,
    body: { id: delivery.id, state: "waiting" },
  });
  expect((await runtime.next("delivered")).delivery).toMatchObject({ id: delivery.id, attempt: 2 });
  expect(await runtime.ask(`${root}/${delivery.id}/retry`)).toMatchObject({ status: 409 });
  await rm(path.join(servers.ftp.root, "c.txt"));
  const sent = await runtime.ask(`${root}/${delivery.id}/send-again`);
  expect(sent).toMatchObject({ status: 200, body: { state: "queued", target: "c.txt" } });
  const second = await runtime.next("delivered");
  expect(second.delivery).toMatchObject({ id: sent.body.id, attempt: 1 });
  expect(second.delivery.id).not.toBe(delivery.id);
  expect(second.topic).toBe("c.txt");
  expect(await readFile(path.join(servers.ftp.root, "c.txt"), "utf8")).toBe("hello");
});

test("content that is gone cannot be sent again", async () => {
  await runtime.load(flow(), credentialsOf(servers));
  const text = "x".repeat(100_000);
  runtime.send("writer", { source: { kind: "text", name: "large.txt", text } });
  const { delivery } = await runtime.next("delivered");
  const spool = path.join(runtime.userFolder, "data-distribution/spool");
  for (const name of await readdir(spool)) await rm(path.join(spool, name));
  const { status, body } = await runtime.ask(`${root}/${delivery.id}/send-again`);
  expect([status, body.kind]).toEqual([410, "missing"]);
  expect(body.error).toMatch(/content of large\.txt is no longer kept/);
});

test("what is being sent is cancelled by its runner, what waits at once, and the flow is told", async () => {
  await runtime.load(flow(), credentialsOf(servers));
  servers.ftp.hook = (command) => (command === "STOR" ? { delayMs: 60_000 } : undefined);
  deliver("sending.txt");
  deliver("queued.txt");
  await expect
    .poll(async () => (await list()).counts, { timeout: 15_000 })
    .toMatchObject({ sending: 1, queued: 1 });
  const ids = (await list()).deliveries.map(({ id }: { id: string }) => id);
  for (const id of ids) {
    const answer = await runtime.ask(`${root}/${id}/cancel`);
    expect(answer).toMatchObject({ status: 200, body: { state: "cancelled" } });
  }
  const told = [await runtime.next("failed"), await runtime.next("failed")];
  for (const { delivery, error } of told) {
    expect([delivery.state, error.kind, error.message]).toEqual([
      "cancelled",
      "cancelled",
      "The delivery was cancelled.",
    ]);
  }
  expect(await runtime.ask(`${root}/${ids[0]}/cancel`)).toMatchObject({ status: 409 });
  expect(runtime.received("delivered")).toEqual([]);
});

test("what a writer that is gone has left is listed as such, and can be cancelled", async () => {
  await runtime.load(flow(), credentialsOf(servers));
  replies = ["450 Busy"];
  deliver("left.txt");
  const { delivery } = await runtime.next("retrying");
  await runtime.deploy(flow().filter(({ id }) => id !== "writer"));
  expect((await list()).deliveries).toMatchObject([
    { id: delivery.id, state: "waiting", writerIsGone: true },
  ]);
  expect(await runtime.ask(`${root}/${delivery.id}/cancel`)).toMatchObject({
    status: 200,
    body: { state: "cancelled", writerIsGone: true },
  });
  await runtime.deploy(flow());
  expect((await list("?state=waiting")).deliveries).toEqual([]);
  expect(runtime.received("failed")).toHaveLength(1);
});

test.each(["retry", "cancel", "send-again"])("%s of what is no delivery is refused", async (verb) => {
  await runtime.load(flow(), credentialsOf(servers));
  const ask = async (id: string) => (await runtime.ask(`${root}/${id}/${verb}`)).status;
  expect(await ask(randomUUID())).toBe(404);
  for (const id of ["1", "..%2f..%2fflows", `${randomUUID()}%0a`, randomUUID().toUpperCase()]) {
    expect(await ask(id), id).toBe(400);
  }
});
