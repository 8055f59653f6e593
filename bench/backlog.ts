/**
 * How much memory Node-RED takes while large messages wait for their turn: `npx tsx bench/backlog.ts
 * [messages]`. They have 1 MiB each, as a Buffer, a text or an object, and wait for one that a server, which
 * runs in another process, does not answer. When it does, all have to be delivered, and Complete nodes have to
 * get them whole. Fails when those that wait hold 30 MB: what Node-RED takes beyond that is rubbish.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startS3Server } from "../demo/servers/s3";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../test/support/node-red-process";
import { provideRuntime, type Runtime } from "../test/support/runtimes";

const mebibyte = 1024 * 1024;
const limitBytes = 30e6;
const settleMs = 5_000;
const longestMs = 2 * 60_000;

interface S3 {
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** Makes the payload number `n`, and measures it, in a function node. No two have the same content. */
const kinds: Readonly<Record<string, { make: string; measure: string }>> = {
  "a Buffer": { make: `Buffer.alloc(${mebibyte}, String(n).padStart(8))`, measure: "msg.payload.length" },
  "a text": { make: `String(n).padStart(8).repeat(${mebibyte / 8})`, measure: "msg.payload.length" },
  "an object": {
    make: `Array.from({ length: ${mebibyte / 256} }, (_, id) => ({ id: 10000 + id, name: String(n).padStart(233) }))`,
    measure: "JSON.stringify(msg.payload).length",
  },
};

async function serve(): Promise<void> {
  const s3 = await startS3Server();
  s3.createBucket("bench");
  let goOn = () => {};
  let stalled = Promise.resolve();
  s3.onRequest(async ({ operation }) => {
    if (operation === "PutObject") await stalled;
    return undefined;
  });
  process.on("message", (order) => {
    if (order === "go on") return goOn();
    stalled = new Promise((resolve) => {
      goOn = resolve;
    });
  });
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  process.send?.({ endpoint, accessKeyId, secretAccessKey } satisfies S3);
  process.once("disconnect", () => void s3.close().then(() => process.exit()));
}

async function main(messages: number): Promise<void> {
  const server = spawn(process.execPath, ["--import", "tsx", __filename, "serve"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  try {
    const [s3] = (await once(server, "message")) as [S3];
    const runtime = await provideRuntime("node-red-4");
    const figures: Record<string, Figures> = {};
    for (const kind of Object.keys(kinds)) {
      figures[`${messages} × ${kind}`] = await measure(runtime, server, flowOf(s3, kind, messages), messages);
    }
    console.table(figures);
    const most = Math.max(...Object.values(figures).map((row) => row["MiB held"]));
    process.exitCode = most * mebibyte > limitBytes ? 1 : 0;
  } finally {
    server.disconnect();
  }
}

/** All above idle. */
interface Figures {
  /** By what cannot be collected while all of them wait. */
  "MiB held": number;
  /** Of the process, the rubbish included. */
  "MiB while they wait": number;
  /** Also while they came in, and while they were delivered. */
  "MiB at most": number;
}

async function measure(
  runtime: Runtime,
  server: ChildProcess,
  flows: readonly FlowNode[],
  messages: number,
): Promise<Figures> {
  const nodeRed = await startNodeRed({ runtime, flows });
  try {
    await sleep(settleMs);
    const idle = await memoryOf(nodeRed);
    server.send("stall");
    await nodeRed.inject("button");
    const allWait = ({ text = "" }) => text.endsWith(`, ${messages - 1} waiting`);
    await nodeRed.waitForStatus("writer", allWait, longestMs);
    await sleep(settleMs);
    const waiting = await memoryOf(nodeRed);
    server.send("go on");
    await nodeRed.waitForMessage("completed", ({ count }) => count === messages, longestMs);
    return {
      "MiB held": inMebibytes(waiting.heldBytes - idle.heldBytes),
      "MiB while they wait": inMebibytes(waiting.rssBytes - idle.rssBytes),
      "MiB at most": inMebibytes((await nodeRed.peakRssBytes()) - idle.rssBytes),
    };
  } finally {
    server.send("go on");
    await nodeRed.stop();
  }
}

interface Memory {
  rssBytes: number;
  heldBytes: number;
}

async function memoryOf(nodeRed: NodeRedProcess): Promise<Memory> {
  const before = nodeRed.messages("memory").length;
  await nodeRed.inject("look");
  return nodeRed.until("its memory", () => nodeRed.messages("memory")[before] as Memory | undefined);
}

function inMebibytes(bytes: number): number {
  return Math.round(bytes / mebibyte);
}

function flowOf(s3: S3, kind: string, messages: number): FlowNode[] {
  const on = { z: "tab", x: 0, y: 0 };
  const { endpoint, ...keys } = s3;
  const { make, measure } = kinds[kind] ?? { make: "undefined", measure: "0" };
  // 25 a second: what is to keep each of them on the disk keeps up with that.
  const send = `let n = 0;
    const timer = setInterval(() => {
      const payload = ${make};
      node.send({ payload, n }, false);
      if (++n === ${messages}) clearInterval(timer);
    }, 40);`;
  const count = `if (${measure} < ${mebibyte}) throw new Error("It is not whole.");
    const count = (context.get("count") ?? 0) + 1;
    context.set("count", count);
    return { count };`;
  const look = `const { rss: rssBytes } = process.memoryUsage();
    v8.setFlagsFromString("--expose-gc");
    const gc = vm.runInNewContext("gc");
    gc();
    // What the first has found to be of no use may hold more, until the event loop has turned.
    await new Promise((resolve) => setTimeout(resolve, 100));
    gc();
    const { heapUsed, external } = process.memoryUsage();
    return { rssBytes, heldBytes: heapUsed + external };`;
  const libs = ["process", "v8", "vm"].map((module) => ({ var: module, module }));
  return [
    { id: "tab", type: "tab", label: "bench" },
    { id: "button", type: "inject", ...on, props: [], wires: [["send"]] },
    { id: "send", type: "function", ...on, func: send, outputs: 1, wires: [["writer"]] },
    {
      id: "s3",
      type: "delivery-s3-connection",
      endpoint,
      region: "us-east-1",
      pathStyle: true,
      authentication: "keys",
      credentials: keys,
    },
    {
      id: "writer",
      type: "delivery-s3-writer",
      ...on,
      connection: "s3",
      bucket: "bench",
      key: "{{msg.n}}",
      concurrency: 1,
      wires: [[], []],
    },
    { id: "done", type: "complete", ...on, scope: ["writer"], wires: [["count"]] },
    { id: "count", type: "function", ...on, func: count, outputs: 1, wires: [["completed"]] },
    { id: "completed", type: "debug", ...on, active: false, complete: "true", wires: [] },
    { id: "look", type: "inject", ...on, props: [], wires: [["gc"]] },
    { id: "gc", type: "function", ...on, func: look, libs, outputs: 1, wires: [["memory"]] },
    { id: "memory", type: "debug", ...on, active: false, complete: "true", wires: [] },
  ];
}

const [argument = "400"] = process.argv.slice(2);
void (argument === "serve" ? serve() : main(Number(argument)));
