import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { provideRuntime } from "../support/runtimes";
import { canMount, mountSmallDisk } from "../support/small-disk";
import { ftpFlow } from "./ftp-flow";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Small enough to be in the store itself. */
const text = "x".repeat(60_000);

async function start(userDir: string, settings: Record<string, unknown> = {}) {
  const ftp = await startFtpServer();
  cleanups.push(() => ftp.close());
  // What the flow tells of goes to the log.
  const flow = ftpFlow({ ftp, smtp: { port: 9 }, source: { kind: "text", text } });
  const flows = flow.map((node) => (node.id === "notify" ? { ...node, connection: "" } : node));
  const runtime = await provideRuntime("node-red-4");
  const nodeRed = await startNodeRed({ runtime, userDir, flows, settings });
  cleanups.push(() => nodeRed.kill());
  return { nodeRed, ftp };
}

async function userFolder(): Promise<string> {
  const userDir = await mkdtemp(join(tmpdir(), "store-faults-"));
  cleanups.push(() => rm(userDir, { recursive: true, force: true }));
  return userDir;
}

/** Presses the button, and waits until so many were delivered in all. */
async function deliver(nodeRed: NodeRedProcess, total: number): Promise<void> {
  await nodeRed.inject("button");
  const all = () => nodeRed.messages("delivered").length;
  await nodeRed.until(`delivery ${total}`, () => all() >= total || undefined, 40_000);
  expect(all()).toBe(total);
}

const linesOf = (nodeRed: NodeRedProcess, pattern: RegExp) =>
  nodeRed.log.filter((entry) => pattern.test(entry.text));

describe.runIf(canMount())("the disk below the user folder", () => {
  test("is full, then has room; then somebody removes the store: nothing is taken in vain, all goes on", async () => {
    const userDir = await userFolder();
    const folder = join(userDir, "data-distribution");
    const disk = mountSmallDisk(folder, 8);
    cleanups.push(() => disk.remove());
    const { nodeRed, ftp } = await start(userDir);
    await deliver(nodeRed, 1);

    disk.fill();
    // What room its log has left it may still use.
    for (let presses = 0; linesOf(nodeRed, /the disk is full/).length === 0; presses++) {
      expect(presses).toBeLessThan(100);
      await nodeRed.inject("button");
      await sleep(100);
    }
    const { level, id } =
      linesOf(nodeRed, /deliveries\.sqlite cannot be used: the disk is full\. Make room\./)[0] ?? {};
    expect([level, ["writer", "notify"].includes(id ?? "")]).toEqual([20, true]);
    await nodeRed.inject("button");
    await nodeRed.waitForStatus(
      "writer",
      ({ fill, text = "" }) => fill === "red" && text.includes("delivery store"),
    );

    disk.makeRoom();
    // What was accepted before the disk was full ends now.
    let settled = -1;
    while (settled !== nodeRed.messages("delivered").length) {
      settled = nodeRed.messages("delivered").length;
      await sleep(7_000);
    }
    await deliver(nodeRed, settled + 1);

    for (const name of await readdir(folder)) if (name.startsWith("deliveries")) await rm(join(folder, name));
    await deliver(nodeRed, settled + 2);
    await nodeRed.waitForLog(/Somebody has removed the delivery store .* it was written again/);
    expect(nodeRed.messages("gave-up")).toEqual([]);
    const { counts } = await nodeRed.get<{ counts: object }>("/delivery-store/deliveries?writer=writer");
    expect(counts).toMatchObject({ delivered: settled + 2, queued: 0, sending: 0, waiting: 0, failed: 0 });
    expect(await readdir(join(ftp.root, "in"))).toEqual(["report.txt"]);
    expect((await nodeRed.stop()).code).toBe(0);
  });
});

test("a second Node-RED on the same folder says once that it cannot work, and takes over when the first ends", async () => {
  const userDir = await userFolder();
  const first = await start(userDir);
  await deliver(first.nodeRed, 1);
  const second = await start(userDir);
  const locked = /deliveries\.sqlite cannot be used: another process uses it/;
  await second.nodeRed.waitForLog(locked);
  // It looks every 5 s, for each of its nodes.
  await sleep(16_000);
  const told = linesOf(second.nodeRed, locked).map(({ id = "" }) => id);
  expect(told.length).toBeLessThanOrEqual(4);
  expect(new Set(told).size).toBe(told.length);
  await second.nodeRed.inject("button");
  await second.nodeRed.until(
    "a refusal",
    () => linesOf(second.nodeRed, locked).length > told.length || undefined,
  );
  expect(second.nodeRed.messages("delivered")).toEqual([]);
  await first.nodeRed.stop();
  await second.nodeRed.waitForLog(/The delivery store works again/, 20_000);
  await deliver(second.nodeRed, 1);
});

test("who may look may not decide, and a stranger neither", async () => {
  const permissions = async (granted: string) => {
    const settings = { adminAuth: { type: "credentials", users: [], default: { permissions: granted } } };
    const { nodeRed } = await start(await userFolder(), settings);
    const root = `${nodeRed.url}/delivery-store/deliveries`;
    const looked = await fetch(root);
    const id = "00000000-0000-4000-8000-000000000000";
    const decided = await Promise.all(
      ["retry", "cancel", "send-again"].map((verb) => fetch(`${root}/${id}/${verb}`, { method: "POST" })),
    );
    return [looked, ...decided].map(({ status }) => status);
  };
  expect(await permissions("read")).toEqual([200, 401, 401, 401]);
  expect(await permissions("flows.read")).toEqual([401, 401, 401, 401]);
  expect(await permissions("delivery-store.write")).toEqual([401, 404, 404, 404]);
});
