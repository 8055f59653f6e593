import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { startS3Server } from "../../demo/servers/s3";
import { startSmtpServer } from "../../demo/servers/smtp";
import type { Delivery, SourceSpec } from "../../src/lib";
import { copyDisk, makeDisk, mkfsPath, mountDisk, requireLoopDevices } from "../support/loop-disk";
import { type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { requireTool } from "../support/required";
import { provideRuntime, runtimeNames } from "../support/runtimes";
import { seededRandom } from "../support/seeded";
import { contentOf, keptDeliveries, post, sha256Of, type Wanted, wantedDeliveries } from "./load";
import { bucket, type TwoTargets, twoTargetsFlow } from "./two-targets-flow";

/** On each runtime. */
const cuts = 5;
const seed = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000);
const diskBytes = 128 * 1024 * 1024;
const largestBytes = 400_000;
const atOnce = 3;
/** What is under way when a process is stopped ends in the kernel. */
const settleMs = 100;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Servers that are busy for two of three until they are no longer. */
async function openTargets(): Promise<TwoTargets & { recover(): void }> {
  const s3 = await startS3Server();
  const ftp = await startFtpServer();
  const smtp = await startSmtpServer();
  cleanups.push(
    () => s3.close(),
    () => ftp.close(),
    () => smtp.close(),
  );
  s3.createBucket(bucket);
  let requests = 0;
  const busy = () => requests++ % 3 !== 0;
  const recover = s3.onRequest(({ operation }) =>
    operation === "PutObject" && busy() ? { answer: { status: 503, code: "ServiceUnavailable" } } : undefined,
  );
  ftp.hook = (command) => (command === "STOR" && busy() ? { reply: "450 The server is busy" } : undefined);
  return {
    ...{ s3, ftp, smtp },
    recover() {
      recover();
      ftp.hook = undefined;
    },
  };
}

/** By the place where it goes: what somebody outside was told of. */
type Acknowledged = Map<string, "waiting" | "delivered">;

function acknowledgedBy(nodeRed: NodeRedProcess, { smtp }: TwoTargets): Acknowledged {
  const acknowledged: Acknowledged = new Map();
  for (const { delivery } of nodeRed.messages("retrying")) {
    acknowledged.set((delivery as { location: string }).location, "waiting");
  }
  for (const { subject = "" } of smtp.messages) {
    acknowledged.set(subject.replace("Delivered: ", ""), "delivered");
  }
  return acknowledged;
}

/** What of it a user folder does not keep as it was acknowledged. */
async function lostFrom(
  userDir: string,
  acknowledged: Acknowledged,
  contents: ReadonlyMap<string, string>,
): Promise<string[]> {
  const kept = new Map<string, Delivery>();
  for (const delivery of await keptDeliveries(userDir)) {
    if (delivery.writer.id !== "notify") kept.set(delivery.location, delivery);
  }
  const lost: string[] = [];
  for (const [location, state] of acknowledged) {
    const delivery = kept.get(location);
    if (!delivery) lost.push(`${location} was ${state}`);
    else if (state === "delivered" && delivery.state !== "delivered") {
      lost.push(`${location} was delivered, and is ${delivery.state}`);
    } else {
      const content = await readKept(userDir, delivery.source).catch(() => undefined);
      const name = location.slice(location.lastIndexOf("/") + 1);
      if (!content || sha256Of(content) !== contents.get(name)) lost.push(`the content of ${location}`);
    }
  }
  return lost;
}

async function readKept(userDir: string, source: SourceSpec): Promise<Uint8Array> {
  if (source.kind === "bytes") return source.bytes;
  if (source.kind !== "spool") throw new Error(`A ${source.kind} was not posted.`);
  return readFile(join(userDir, "data-distribution/spool", source.sha256));
}

/** Posts for as long as the flow answers. */
async function postAll(url: string, wanted: readonly Wanted[]): Promise<void> {
  const open = [...wanted];
  const postNext = async (): Promise<void> => {
    const next = open.shift();
    if (!next) return;
    await post(url, next);
    return postNext();
  };
  await Promise.all(Array.from({ length: atOnce }, postNext)).catch(() => {});
}

const possible = requireTool("e2fsprogs", mkfsPath) && requireLoopDevices();

test.each(possible ? runtimeNames : [])(
  "%s: a power cut takes nothing back that was acknowledged",
  {
    timeout: 240_000,
  },
  async (name) => {
    process.stdout.write(`KILL_SEED=${seed}\n`);
    const random = seededRandom(seed);
    const runtime = await provideRuntime(name);
    const folder = await mkdtemp(join(tmpdir(), "power-cut-"));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const disk = join(folder, "disk.img");
    await makeDisk(disk, diskBytes);
    cleanups.push(await mountDisk(disk, join(folder, "disk")));
    const servers = await openTargets();
    const flows = twoTargetsFlow(servers, { retryDelaySeconds: 5 });
    const settings = { disableEditor: true };
    const wanted = wantedDeliveries(600, random).filter(({ bytes }) => bytes <= largestBytes);
    const contents = new Map(wanted.map((one) => [one.name, sha256Of(contentOf(one))]));

    const first = await startNodeRed({ runtime, userDir: join(folder, "disk"), flows, settings });
    cleanups.push(() => first.kill());
    // The flows are Node-RED's to keep, and it does not wait for the disk.
    execFileSync("sync", ["--file-system", join(folder, "disk")]);
    const posting = postAll(first.url, wanted);
    const copy = join(folder, "copy.img");
    let acknowledged: Acknowledged = new Map();
    for (let cut = 0; cut < cuts; cut++) {
      const enough = acknowledged.size + 3 + random() * 20;
      await expect
        .poll(() => acknowledgedBy(first, servers).size, { timeout: 60_000, interval: 10 })
        .toBeGreaterThan(enough);
      acknowledged = acknowledgedBy(first, servers);
      process.kill(first.pid, "SIGSTOP");
      await sleep(settleMs);
      await copyDisk(disk, copy);
      process.kill(first.pid, "SIGCONT");
      const unmount = await mountDisk(copy, join(folder, "copy"));
      expect(await lostFrom(join(folder, "copy"), acknowledged, contents)).toEqual([]);
      await unmount();
    }
    await first.kill();
    await posting;
    const states = [...acknowledged.values()];
    expect(states.filter((state) => state === "waiting").length).toBeGreaterThan(3);
    expect(states.filter((state) => state === "delivered").length).toBeGreaterThan(3);

    servers.recover();
    cleanups.push(await mountDisk(copy, join(folder, "copy")));
    const second = await startNodeRed({ runtime, userDir: join(folder, "copy"), settings });
    cleanups.push(() => second.kill());
    const waiting = () => [...acknowledged.keys()].filter((location) => !toldIds(servers).has(location));
    await expect.poll(waiting, { timeout: 60_000, interval: 200 }).toEqual([]);
    for (const [location, ids] of toldIds(servers)) {
      expect([location, ids.size]).toEqual([location, 1]);
      const name = location.slice(location.lastIndexOf("/") + 1);
      const found = location.startsWith("s3:")
        ? await servers.s3.read(bucket, `in/${name}`)
        : await readFile(join(servers.ftp.root, "in", name));
      expect(found && sha256Of(found), location).toBe(contents.get(name));
    }
    process.stdout.write(`${name}: ${cuts} cuts, ${acknowledged.size} acknowledged deliveries at the last\n`);
  },
);

/** The ids of the mails that told of a delivery, by where it went. */
function toldIds({ smtp }: TwoTargets): Map<string, Set<string>> {
  const told = new Map<string, Set<string>>();
  for (const { subject = "", messageId = "" } of smtp.messages) {
    const location = subject.replace("Delivered: ", "");
    told.set(location, (told.get(location) ?? new Set()).add(messageId));
  }
  return told;
}
