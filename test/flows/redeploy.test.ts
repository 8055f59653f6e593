import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { type S3Server, startS3Server } from "../../demo/servers/s3";
import { startSmtpServer } from "../../demo/servers/smtp";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { provideRuntime } from "../support/runtimes";
import { ftpFlow } from "./ftp-flow";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const deployTypes = ["full", "flows", "nodes"] as const;
const parts = ["source", "writer", "retry", "connection"] as const;
/** Uploads of 300 ms end within the 5 s that a closing writer gives them. */
const uploadMs = 300;
const quickMs = 8_000;
const count = 18;

/** `button` → 18 messages → data source → S3 writer, 2 at a time; every third is refused once. */
function s3Flow({ endpoint, accessKeyId, secretAccessKey }: S3Server): FlowNode[] {
  const on = { z: "tab", x: 0, y: 0 };
  const debug = (id: string) => ({ id, type: "debug", ...on, active: false, complete: "true", wires: [] });
  return [
    { id: "tab", type: "tab", label: "redeploy" },
    {
      id: "button",
      type: "inject",
      ...on,
      props: [{ p: "n", v: String(count), vt: "num" }],
      wires: [["many"]],
    },
    {
      id: "last-button",
      type: "inject",
      ...on,
      props: [{ p: "n", v: "99", vt: "num" }],
      wires: [["source"]],
    },
    {
      id: "many",
      type: "function",
      ...on,
      func: "for (let n = 0; n < msg.n; n++) node.send({ n });",
      outputs: 1,
      wires: [["source"]],
    },
    {
      id: "source",
      type: "delivery-data-source",
      ...on,
      kind: "function",
      func: "return 'content ' + msg.n;",
      wires: [["writer", "made"]],
    },
    {
      id: "writer",
      type: "delivery-s3-writer",
      ...on,
      connection: "connection",
      bucket: "reports",
      key: "{{msg.n}}",
      concurrency: 2,
      wires: [["delivered"], ["retry"]],
    },
    {
      id: "retry",
      type: "delivery-retry",
      ...on,
      preset: "custom",
      attempts: 3,
      firstDelaySeconds: 1,
      factor: 1,
      jitterPercent: 0,
      kinds: ["denied"],
      wires: [["retrying"], ["gave-up"]],
    },
    { id: "catch-all", type: "catch", ...on, scope: null, wires: [["caught"]] },
    {
      id: "connection",
      type: "delivery-s3-connection",
      endpoint,
      pathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    },
    ...["made", "delivered", "retrying", "gave-up", "caught"].map(debug),
  ];
}

interface Uploads {
  /** The keys, in the order in which their uploads began. */
  readonly begun: string[];
  /** Resolves when the next upload begins. */
  next(): Promise<void>;
}

function slowStore(s3: S3Server): Uploads {
  const begun: string[] = [];
  let tell = () => {};
  s3.onRequest(({ operation, key = "" }) => {
    if (operation !== "PutObject") return undefined;
    const refused = Number(key) % 3 === 0 && !begun.includes(key);
    begun.push(key);
    tell();
    return { delayMs: uploadMs, ...(refused && { answer: { status: 403, code: "AccessDenied" } }) };
  });
  return { begun, next: () => new Promise((resolve) => (tell = resolve)) };
}

const renamed = (flows: readonly FlowNode[], id: string, name: string) =>
  flows.map((node) => (node.id === id ? { ...node, name } : node));

async function timedDeploy(nodeRed: NodeRedProcess, ...deploy: Parameters<NodeRedProcess["deploy"]>) {
  const startedMs = performance.now();
  await nodeRed.deploy(...deploy);
  return performance.now() - startedMs;
}

const idsAt = (nodeRed: NodeRedProcess, debugId: string) =>
  nodeRed.messages(debugId).map(({ delivery }) => (delivery as { id: string }).id);

async function startInStore(): Promise<{
  nodeRed: NodeRedProcess;
  s3: S3Server;
  flows: FlowNode[];
  uploads: Uploads;
}> {
  const s3 = await startS3Server();
  s3.createBucket("reports");
  cleanups.push(() => s3.close());
  const flows = s3Flow(s3);
  const nodeRed = await startNodeRed({ runtime: await provideRuntime("node-red-4"), flows });
  cleanups.push(() => nodeRed.kill());
  return { nodeRed, s3, flows, uploads: slowStore(s3) };
}

/** Waits for all, lets one more through after a last deploy, and looks for what came twice or not at all. */
async function expectEachOnce(
  { nodeRed, s3, uploads }: Awaited<ReturnType<typeof startInStore>>,
  flows: FlowNode[],
) {
  const delivered = () => nodeRed.messages("delivered").length;
  await expect.poll(delivered, { timeout: 30_000 }).toBe(count);
  await nodeRed.deploy(flows);
  await nodeRed.inject("last-button");
  await nodeRed.waitForMessage("delivered", ({ n }) => n === 99, 30_000);

  const numbers = [...Array(count).keys(), 99];
  expect(
    nodeRed
      .messages("delivered")
      .map(({ n }) => n)
      .sort(byNumber),
  ).toEqual(numbers);
  const again = numbers.filter((n) => n % 3 === 0);
  expect(
    nodeRed
      .messages("retrying")
      .map(({ n }) => n)
      .sort(byNumber),
  ).toEqual(again);
  expect(new Set(idsAt(nodeRed, "delivered")).size).toBe(numbers.length);
  expect(uploads.begun.map(Number).sort(byNumber)).toEqual([...numbers, ...again].sort(byNumber));
  for (const n of numbers) expect(String(await s3.read("reports", String(n)))).toBe(`content ${n}`);
  expect([nodeRed.messages("gave-up"), nodeRed.messages("caught")]).toEqual([[], []]);
  expect(nodeRed.log.filter(({ level }) => level <= 20)).toEqual([]);
  expect(nodeRed.output()).not.toContain("MaxListeners");
}

const byNumber = (a: unknown, b: unknown) => Number(a) - Number(b);

test.each(deployTypes)(
  "a deploy of the kind %s loses and doubles nothing that is sent or waits",
  async (type) => {
    const started = await startInStore();
    const { nodeRed, uploads } = started;
    await nodeRed.inject("button");
    await nodeRed.until("all the sources", () => nodeRed.messages("made").length === count || undefined);
    let { flows } = started;
    for (const id of parts) {
      await uploads.next();
      flows = renamed(flows, id, `a new ${id}`);
      expect(await timedDeploy(nodeRed, flows, type)).toBeLessThan(quickMs);
    }
    expect(nodeRed.messages("delivered").length).toBeLessThan(count);
    await expectEachOnce(started, flows);
  },
);

test("a writer can be removed while it sends, and goes on where it was when it comes back", async () => {
  const started = await startInStore();
  const { nodeRed, uploads, flows } = started;
  await nodeRed.inject("button");
  await nodeRed.until("all the sources", () => nodeRed.messages("made").length === count || undefined);
  await nodeRed.waitForMessage("retrying");
  await uploads.next();
  const without = flows.filter(({ id }) => id !== "writer");
  expect(await timedDeploy(nodeRed, without, "nodes")).toBeLessThan(quickMs);
  const begun = uploads.begun.length;
  await nodeRed.inject("last-button");
  await nodeRed.until("another source", () => nodeRed.messages("made").length === count + 1 || undefined);
  await nodeRed.deploy(without, "full");
  expect(uploads.begun.length).toBe(begun);
  await nodeRed.deploy(flows, "nodes");
  await expectEachOnce(started, flows);
});

describe("while the server is down", () => {
  test("a delivery that waits survives every kind of deploy, and arrives once when the server is back", async () => {
    const ftp = await startFtpServer();
    const smtp = await startSmtpServer();
    cleanups.push(() => smtp.close());
    const policy = {
      preset: "custom",
      attempts: 100,
      firstDelaySeconds: 1,
      factor: 1,
      jitterPercent: 0,
      kinds: ["unavailable"],
    };
    let flows = ftpFlow({ ftp, smtp, policy });
    await ftp.close();
    const nodeRed = await startNodeRed({ runtime: await provideRuntime("node-red-4"), flows });
    cleanups.push(() => nodeRed.kill());
    await nodeRed.inject("button");
    const id = (await nodeRed.waitForMessage("retrying")).delivery as { id: string };
    for (const type of deployTypes) {
      for (const part of ["retry", "writer", "ftp"]) flows = renamed(flows, part, `for ${type}`);
      expect(await timedDeploy(nodeRed, flows, type)).toBeLessThan(quickMs);
      const tried = nodeRed.messages("retrying").length;
      await nodeRed.until("a further try", () => nodeRed.messages("retrying").length > tried || undefined);
    }

    const { port, user, password } = ftp;
    const back = await startFtpServer({ port, user, password });
    cleanups.push(() => back.close());
    const { delivery } = await nodeRed.waitForMessage("delivered");
    expect(delivery).toMatchObject({ id: id.id, state: "delivered" });
    await nodeRed.waitForMessage("sent");
    await nodeRed.deploy(flows);
    expect(await readdir(join(back.root, "in"))).toEqual(["report.txt"]);
    expect(back.commands.filter((command) => command.startsWith("RNTO"))).toHaveLength(1);
    expect(nodeRed.messages("delivered")).toHaveLength(1);
    expect(new Set(idsAt(nodeRed, "retrying")).size).toBe(1);
    expect(smtp.messages).toHaveLength(1);
  });
});
