import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FtpServer, startFtpServer } from "../../demo/servers/ftp";
import { type S3Server, startS3Server } from "../../demo/servers/s3";
import { requireTool } from "../support/required";
import { type SharedStoreServer, sharedStoreKinds } from "../support/shared-stores";
import { type Cluster, clusterFlow, startCluster, type Told } from "./cluster";

/** How many Node-REDs share a store: what four can do, two can; both take twice the time. */
const sizes = (process.env.CLUSTER_SIZES ?? "4").split(",").map(Number);
const kinds = (process.env.CLUSTER_KINDS ?? "postgresql").split(",");
/** Where content lies: `record`, or `bucket` for content that is too large for that. */
const place = process.env.CLUSTER_CONTENT ?? "record";
const contentBytes = place === "bucket" ? 70_000 : 0;
const leaseMs = 30_000;
const concurrency = 2;
const bucket = "shared-content";
const onceTexts = ["06:00", "06:01", "06:02", "06:03", "06:04"];

const clusters = sharedStoreKinds
  .filter(({ kind }) => kinds.includes(kind))
  .filter(({ tool, program }) => requireTool(tool, program))
  .flatMap((kind) => sizes.map((size) => ({ ...kind, size, files: 30 * size })));

describe.each(clusters)(`$size Node-REDs on one $kind store, content in the ${place}`, (row) => {
  const { start, size, files } = row;
  let server: SharedStoreServer;
  let s3: S3Server;
  let ftp: FtpServer;
  let cluster: Cluster;

  beforeAll(async () => {
    server = await start();
    ftp = await startFtpServer();
    s3 = await startS3Server();
    s3.createBucket(bucket);
    const storeNode = await server.createStoreNode({
      leaseSeconds: String(leaseMs / 1_000),
      ...(place === "bucket" && { spool: "bucket", spoolConnection: "s3", spoolBucket: bucket }),
    });
    const more = [s3ConnectionTo(s3)];
    cluster = await startCluster(size, clusterFlow({ ftp, storeNode, files, contentBytes, more, onceTexts }));
  }, 240_000);
  afterAll(async () => {
    await cluster?.close();
    await Promise.all([ftp?.close(), s3?.close()]);
    await server?.stop();
  });

  const until = (what: () => number, patienceMs = 60_000) =>
    expect.poll(what, { timeout: patienceMs, interval: 100 });
  const uploads = (name: string) => ftp.commands.filter((command) => command === `RNTO ${name}`).length;

  test("what all trigger at the same time with the same text is delivered once", async () => {
    for (const text of onceTexts) await Promise.all(cluster.running.map((one) => one.inject(`at-${text}`)));
    // Each has its end at a Complete node, held back or not.
    await until(() => cluster.told("ended").length).toBe(size * onceTexts.length);
    await until(() => cluster.told("once").length).toBe(onceTexts.length);
    expect(
      cluster
        .told("once")
        .map(({ msg }) => msg.payload)
        .sort(),
    ).toEqual(onceTexts);
    for (const text of onceTexts) expect([text, uploads(`/once-${text}`)]).toEqual([text, 1]);
    const held = cluster.told("ended").filter(({ msg }) => msg.delivery !== undefined);
    expect(held).toHaveLength((size - 1) * onceTexts.length);
    const pairs = held.map(({ msg }) => [msg.payload, (msg.delivery as { target: string }).target]);
    for (const [text, target] of pairs) expect(target).toBe(`once-${text}`);
  });

  test("each delivery arrives, and once, while they are killed and started again", async () => {
    let open = () => {};
    const gates = { gate: Promise.resolve() };
    const shut = () => {
      gates.gate = new Promise((resolve) => {
        open = resolve;
      });
    };
    ftp.hook = async (command) => {
      if (command === "STOR") await gates.gate;
      return undefined;
    };
    await cluster.running[0]?.inject("many");
    await until(() => cluster.told("taken").length).toBe(files);
    let killedAt = 0;
    for (let kills = 1; kills <= size; kills++) {
      await until(() => namesOf(cluster.told("delivered")).size).toBeGreaterThanOrEqual(
        (files * kills) / (size + 2),
      );
      shut();
      // By then each has as many in its hands as it may.
      await sleep(1_000);
      await cluster.killOldest();
      killedAt = Date.now();
      if (kills < size) await cluster.restart();
      open();
    }
    await until(() => namesOf(cluster.told("delivered")).size, 180_000).toBe(files);

    expect(cluster.told("failed")).toEqual([]);
    for (let n = 0; n < files; n++) {
      expect(await readFile(join(ftp.root, `${n}.txt`), "utf8")).toBe(`report ${n}`.padEnd(contentBytes));
    }
    expect(s3.buckets.get(bucket)?.objects.size).toBe(place === "bucket" ? files : 0);
    const begunAt = cluster.told("delivered").map(({ msg }) => lastStartOf(msg.delivery as Attempts));
    const takeOverMs = Math.max(...begunAt) - killedAt;
    expect(takeOverMs).toBeGreaterThan(leaseMs / 2);
    expect(takeOverMs).toBeLessThan(leaseMs + 10_000);
    const renamed = ftp.commands.filter((command) => /^RNTO \/\d+\.txt$/.test(command)).length;
    expect(renamed).toBeGreaterThanOrEqual(files);
    // Only what the killed ones had in their hands may have been sent twice.
    expect(renamed).toBeLessThanOrEqual(files + size * concurrency);
    expectOnlyTheDeadRepeated(cluster.told("delivered"), ({ msg }) => msg.filename);
  }, 420_000);

  test("each second of the schedule came, and once, through all of that", async () => {
    const secondOf = ({ msg }: Told) => Number(msg.payload) / 1_000;
    const newest = () => Math.max(...cluster.told("second").map(secondOf));
    const now = Math.floor(Date.now() / 1_000);
    await until(newest, 120_000).toBeGreaterThan(now + 2);
    const seconds = [...new Set(cluster.told("second").map(secondOf))].sort((a, b) => a - b);
    const [oldest = 0] = seconds;
    // The newest ones are still on their way.
    const settled = seconds.filter((second) => second <= now);
    expect(settled).toEqual(Array.from({ length: now - oldest + 1 }, (_, n) => oldest + n));
    expectOnlyTheDeadRepeated(cluster.told("second"), secondOf);
    const tellers = new Set(cluster.told("second").map(({ by }) => by));
    expect(tellers.size).toBeGreaterThan(1);
  }, 180_000);

  /** Whoever was killed within a second of telling had not noted it yet: then others tell it again. */
  function expectOnlyTheDeadRepeated(all: Told[], what: (told: Told) => unknown): void {
    const byTheLiving = all.filter(({ by }) => !cluster.wasKilled(by)).map(what);
    expect(byTheLiving.filter((one, at) => byTheLiving.indexOf(one) < at)).toEqual([]);
  }
});

function s3ConnectionTo({ endpoint, accessKeyId, secretAccessKey }: S3Server) {
  const credentials = { accessKeyId, secretAccessKey };
  return { id: "s3", type: "delivery-s3-connection", endpoint, pathStyle: true, credentials };
}

interface Attempts {
  attempts: { startedAt: string }[];
}

function lastStartOf({ attempts }: Attempts): number {
  return Date.parse(attempts.at(-1)?.startedAt ?? "");
}

function namesOf(told: Told[]): Set<unknown> {
  return new Set(told.map(({ msg }) => msg.filename));
}
