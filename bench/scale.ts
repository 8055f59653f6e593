/**
 * How many deliveries a second 1, 2 and 4 Node-REDs on one store make between them, from the message at the
 * writer to the file on an FTP server: `npx tsx bench/scale.ts [--kind postgresql] [--deliveries 1000]
 * [--instances 1,2,4] [--latency 0]`. All of it runs on this machine, whose cores it shares: what a second
 * Node-RED gains on a machine of its own it can only show where cores are free, as they are when the server
 * takes so many milliseconds for each file. Fails when a delivery is lost or sent twice.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type FtpServer, startFtpServer } from "../demo/servers/ftp";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../test/support/node-red-process";
import { provideRuntime } from "../test/support/runtimes";
import { sharedStoreKinds } from "../test/support/shared-stores";

const longestMs = 10 * 60_000;
const warmUps = 20;

interface Load {
  deliveries: number;
  latencyMs: number;
}

interface Figures {
  deliveries: number;
  seconds: number;
  "deliveries/s": number;
  /** Of all deliveries, what each Node-RED has done. */
  shares: string;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kind: { type: "string", default: "postgresql" },
      deliveries: { type: "string", default: "1000" },
      instances: { type: "string", default: "1,2,4" },
      latency: { type: "string", default: "0" },
    },
  });
  const kind = sharedStoreKinds.find((one) => one.kind === values.kind);
  if (!kind) throw new Error(`There is ${sharedStoreKinds.map((one) => one.kind).join(", ")}.`);
  const server = await kind.start();
  try {
    const table: Record<string, Figures> = {};
    for (const size of values.instances.split(",").map(Number)) {
      const storeNode = await server.createStoreNode();
      table[`${size} Node-RED${size > 1 ? "s" : ""}`] = await measure(
        size,
        { deliveries: Number(values.deliveries), latencyMs: Number(values.latency) },
        storeNode,
      );
    }
    console.log(`on one ${kind.kind} store, ${values.latency} ms for each file at the server`);
    console.table(table);
  } finally {
    await server.stop();
  }
}

async function measure(size: number, { deliveries, latencyMs }: Load, storeNode: FlowNode): Promise<Figures> {
  const ftp = await startFtpServer();
  if (latencyMs > 0) ftp.hook = (command) => (command === "STOR" ? { delayMs: latencyMs } : undefined);
  const runtime = await provideRuntime("node-red-4");
  const flows = flowOf(ftp, storeNode, Math.ceil(deliveries / size));
  const nodeReds = await Promise.all(Array.from({ length: size }, () => startNodeRed({ runtime, flows })));
  try {
    const [first] = nodeReds;
    await first?.inject("warm-up");
    await untilDelivered(nodeReds, warmUps);
    const before = nodeReds.map((one) => one.messages("delivered").length);
    const all = size * Math.ceil(deliveries / size);
    const startedMs = performance.now();
    await Promise.all(nodeReds.map((one) => one.inject("many")));
    await untilDelivered(nodeReds, warmUps + all);
    const seconds = (performance.now() - startedMs) / 1_000;
    const sent = ftp.commands.filter((command) => command.startsWith("RNTO")).length;
    if (sent !== warmUps + all) throw new Error(`${all} deliveries, but ${sent - warmUps} files were sent.`);
    const shares = nodeReds.map((one, at) => one.messages("delivered").length - (before[at] ?? 0));
    return {
      deliveries: all,
      seconds: Number(seconds.toFixed(1)),
      "deliveries/s": Math.round(all / seconds),
      shares: shares.map((share) => `${Math.round((100 * share) / all)} %`).join(", "),
    };
  } finally {
    await Promise.all(nodeReds.map((one) => one.stop()));
    await ftp.close();
  }
}

async function untilDelivered(nodeReds: readonly NodeRedProcess[], count: number): Promise<void> {
  const deadline = performance.now() + longestMs;
  const ids = () =>
    new Set(
      nodeReds.flatMap((one) =>
        one.messages("delivered").map(({ delivery }) => (delivery as { id: string }).id),
      ),
    );
  while (ids().size < count) {
    const [failed] = nodeReds.flatMap((one) => one.messages("failed"));
    if (failed) throw new Error(JSON.stringify(failed.error));
    if (performance.now() > deadline) throw new Error(`Only ${ids().size} of ${count} arrived.`);
    await sleep(20);
  }
}

function flowOf(ftp: FtpServer, storeNode: FlowNode, each: number): FlowNode[] {
  const on = { z: "tab", x: 0, y: 0 };
  const make = (count: number) =>
    `for (let n = 0; n < ${count}; n++) node.send({ payload: "x".repeat(1024), filename: RED.util.generateId() });`;
  return [
    { id: "tab", type: "tab", label: "bench" },
    storeNode,
    {
      id: "ftp",
      type: "delivery-ftp-connection",
      ...{ host: ftp.host, port: ftp.port, security: "none", root: "/" },
      credentials: { user: ftp.user, password: ftp.password },
    },
    ...Object.entries({ "warm-up": warmUps, many: each }).flatMap(([id, count]) => [
      { id, type: "inject", ...on, props: [], wires: [[`make-${id}`]] },
      { id: `make-${id}`, type: "function", ...on, outputs: 1, func: make(count), wires: [["writer"]] },
    ]),
    {
      id: "writer",
      type: "delivery-ftp-writer",
      ...on,
      ...{ connection: "ftp", store: "store", path: "{{source.name}}", verify: "size", temporaryName: true },
      wires: [["delivered"], ["failed"]],
    },
    ...["delivered", "failed"].map((id) => ({
      ...{ id, type: "debug", ...on, active: false, complete: "true", targetType: "full", wires: [] },
    })),
  ];
}

void main();
