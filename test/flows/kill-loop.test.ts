import { statSync } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { startS3Server } from "../../demo/servers/s3";
import { startSmtpServer } from "../../demo/servers/smtp";
import { cyrusPath, startCyrus } from "../support/cyrus";
import { type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { requireTool } from "../support/required";
import { provideRuntime, runtimeNames } from "../support/runtimes";
import { seededRandom } from "../support/seeded";
import { contentOf, filesBelow, keptDeliveries, post, sha256Of, type Wanted, wantedDeliveries } from "./load";
import { bucket, type TwoTargets, twoTargetsFlow } from "./two-targets-flow";

/** Of both runtimes together. */
const rounds = Number(process.env.KILL_ROUNDS ?? 10);
const deliveriesPerRound = 20;
const seed = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000);
const lookEveryMs = 20;
const atOnce = 3;
const writers = 2;
const writerConcurrency = 4;
const longestRestMs = 1_500;
const faultRate = 0.05;

/** Without it, what people find in their mailboxes is left out; the rest needs no program. */
const hasMailboxes = requireTool("cyrus-imapd", cyrusPath);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openTargets(random: () => number): Promise<TwoTargets> {
  const s3 = await startS3Server();
  const ftp = await startFtpServer();
  const smtp = await startSmtpServer();
  cleanups.push(
    () => s3.close(),
    () => ftp.close(),
    () => smtp.close(),
  );
  s3.createBucket(bucket);
  // Some waits between two tries, for the kills to fall into.
  s3.onRequest(({ operation }) =>
    (operation === "PutObject" || operation === "UploadPart") && random() < faultRate
      ? { answer: { status: 503, code: "SlowDown" } }
      : undefined,
  );
  ftp.hook = (command) =>
    command === "STOR" && random() < faultRate ? { reply: "450 The server is busy" } : undefined;
  return { s3, ftp, smtp };
}

/** Of a file under its final name; undefined when there is none. */
function sizeAt({ s3, ftp }: TwoTargets, { target, name }: Wanted): number | undefined {
  if (target === "s3") return s3.buckets.get(bucket)?.objects.get(`in/${name}`)?.bytes;
  return statSync(join(ftp.root, "in", name), { throwIfNoEntry: false })?.size;
}

function contentAt({ s3, ftp }: TwoTargets, { target, name }: Wanted): Promise<Buffer | undefined> {
  if (target === "s3") return s3.read(bucket, `in/${name}`);
  return readFile(join(ftp.root, "in", name)).catch(() => undefined);
}

const locationOf = ({ ftp }: TwoTargets, { target, name }: Wanted): string =>
  `${target === "s3" ? `s3://${bucket}` : `ftp://${ftp.host}:${ftp.port}`}/in/${name}`;

const subjectOf = (servers: TwoTargets, wanted: Wanted): string =>
  `Delivered: ${locationOf(servers, wanted)}`;

/** As the store has them: what became of deliveries that nobody was told of. */
async function statesOf(userDir: string, locations: readonly string[]): Promise<string[]> {
  const kept = new Map((await keptDeliveries(userDir)).map((delivery) => [delivery.location, delivery]));
  return locations.map((location) => {
    const { state, announced, attempts } = kept.get(location) ?? {};
    return `${location}: ${state}, announced: ${announced}, attempts: ${attempts?.length}`;
  });
}

/** Looks at the sizes of all names again and again. `partial` is what was there and not whole. */
function watchNames(servers: TwoTargets, all: readonly Wanted[]) {
  const partial: string[] = [];
  let looks = 0;
  const timer = setInterval(() => {
    looks++;
    for (const wanted of all) {
      const size = sizeAt(servers, wanted);
      if (size !== undefined && size !== wanted.bytes) partial.push(`${wanted.name}: ${size}`);
    }
  }, lookEveryMs);
  cleanups.push(() => clearInterval(timer));
  return { partial, looks: () => looks, stop: () => clearInterval(timer) };
}

/** Mails by subject, each with the ids that came under it. */
function toldBySubject({ smtp }: TwoTargets): Map<string, string[]> {
  const told = new Map<string, string[]>();
  for (const { subject = "", messageId = "" } of smtp.messages) {
    told.set(subject, [...(told.get(subject) ?? []), messageId]);
  }
  return told;
}

/** The subjects of what is in the mailbox of a real server, which gets all mails, also the repeated ones. */
async function inMailbox({ smtp }: TwoTargets): Promise<string[]> {
  const mailboxes = await startCyrus(["admin"]);
  cleanups.push(() => mailboxes.stop());
  await mailboxes.deliver(smtp.messages);
  return (await mailboxes.mails("admin")).map(({ subject = "" }) => subject).sort();
}

/**
 * Posts all of them, a few at a time; resolves a moment after so many have been answered, with the rest under
 * way.
 */
async function postUntil(
  count: number,
  url: string,
  wanted: readonly Wanted[],
  restMs: number,
): Promise<void> {
  const open = [...wanted];
  let answered = 0;
  await new Promise<void>((resolve) => {
    const postNext = async (): Promise<void> => {
      const next = open.shift();
      // Killed in the middle, nobody knows whether it was taken: the store will say.
      if (next) await post(url, next).catch(() => {});
      if (++answered > count || !next) resolve();
      if (next) await postNext();
    };
    for (let n = 0; n < atOnce; n++) void postNext();
  });
  await sleep(restMs);
}

describe.each(runtimeNames)("%s", (name) => {
  const half = Math.ceil(rounds / runtimeNames.length);
  // A loaded machine takes ten seconds to start Node-RED.
  const timeoutMs = 180_000 + half * 30_000;

  test(`${half} kills lose nothing, show nothing half and tell nothing twice`, {
    timeout: timeoutMs,
  }, async () => {
    const random = seededRandom(seed + runtimeNames.indexOf(name));
    const runtime = await provideRuntime(name);
    const servers = await openTargets(random);
    const userDir = await mkdtemp(join(tmpdir(), "kill-loop-"));
    cleanups.push(() => rm(userDir, { recursive: true, force: true }));
    const wanted = wantedDeliveries(half * deliveriesPerRound, random);
    const watch = watchNames(servers, wanted);
    const killedAt: number[] = [];
    /** The ids under which the store has ever kept a delivery, by its location. */
    const kept = new Map<string, Set<string>>();
    const noteKept = async () => {
      for (const { id, location, writer } of await keptDeliveries(userDir)) {
        if (writer.id !== "s3" && writer.id !== "ftp") continue;
        kept.set(location, (kept.get(location) ?? new Set()).add(id));
      }
    };
    const isKept = (one: Wanted) => kept.has(locationOf(servers, one));

    const start = (flows = false): Promise<NodeRedProcess> =>
      startNodeRed({
        runtime,
        userDir,
        settings: { apiMaxLength: "20mb", disableEditor: true },
        ...(flows && { flows: twoTargetsFlow(servers) }),
      });

    for (let round = 0; round < half; round++) {
      const nodeRed = await start(round === 0);
      cleanups.push(() => nodeRed.kill());
      const open = wanted.filter((one) => !isKept(one)).slice(0, 1.5 * deliveriesPerRound);
      const count = Math.floor(random() * open.length);
      await postUntil(count, nodeRed.url, open, random() ** 3 * longestRestMs);
      await nodeRed.kill();
      killedAt.push(Date.now());
      await noteKept();
    }
    const keptAtKills = kept.size;

    const last = await start();
    cleanups.push(() => last.kill());
    for (const one of wanted.filter((one) => !isKept(one))) await post(last.url, one);
    const untold = () => {
      const told = toldBySubject(servers);
      return wanted.filter((one) => !told.has(subjectOf(servers, one)));
    };
    const untilMs = performance.now() + 60_000 + wanted.length * 100;
    while (untold().length > 0 && performance.now() < untilMs) await sleep(500);
    expect(last.messages("unexpected")).toEqual([]);
    await last.stop();
    expect(
      await statesOf(
        userDir,
        untold().map((one) => locationOf(servers, one)),
      ),
    ).toEqual([]);
    watch.stop();
    await noteKept();

    const told = toldBySubject(servers);
    const repeats = [...told.values()].reduce((sum, ids) => sum + ids.length - 1, 0);
    const mailed = hasMailboxes ? await inMailbox(servers) : undefined;
    const figures = {
      seed,
      rounds: half,
      deliveries: wanted.length,
      keptAtKills,
      looks: watch.looks(),
      repeats,
      inMailbox: mailed?.length ?? "not tried",
    };
    process.stdout.write(`${name}: ${JSON.stringify(figures)}\n`);
    expect(watch.partial).toEqual([]);
    for (const one of wanted) {
      const found = await contentAt(servers, one);
      expect(found && sha256Of(found), one.name).toBe(sha256Of(contentOf(one)));
    }
    // Each was taken once, and told of once: a mail that came again is the same, byte for byte.
    expect([...kept.values()].filter((ids) => ids.size !== 1)).toEqual([]);
    expect([...told.entries()].filter(([, ids]) => new Set(ids).size !== 1)).toEqual([]);
    const mails = new Set(servers.smtp.messages.map(({ raw }) => sha256Of(raw)));
    expect(mails.size).toBe(told.size);
    expect(repeats).toBeLessThanOrEqual(killedAt.length);
    if (mailed) expect(mailed).toEqual(wanted.map((one) => subjectOf(servers, one)).sort());

    const names = (target: string) => wanted.filter((one) => one.target === target).map((one) => one.name);
    expect(await filesBelow(join(servers.ftp.root, "in"))).toEqual(names("ftp"));
    const { objects, uploads } = servers.s3.buckets.get(bucket) ?? {};
    expect([...(objects?.keys() ?? [])].sort()).toEqual(names("s3").map((one) => `in/${one}`));
    // Killed between the store's answer and the note of it, an upload is begun that nobody knows of: without parts.
    const begun = [...(uploads?.values() ?? [])];
    expect(begun.filter(({ parts }) => parts.size > 0).map(({ key }) => key)).toEqual([]);
    expect(begun.length).toBeLessThanOrEqual(killedAt.length);
    await expectBoundedSpool(userDir, wanted, killedAt.length);
    const states = (await keptDeliveries(userDir)).map(({ state }) => state);
    expect(states.filter((state) => state !== "delivered")).toEqual([]);
  });
});

/** Each content once, and of each kill at most what was being written then. */
async function expectBoundedSpool(userDir: string, wanted: readonly Wanted[], kills: number): Promise<void> {
  const folder = join(userDir, "data-distribution/spool");
  const known = new Map(wanted.map((one) => [sha256Of(contentOf(one)), one.bytes]));
  const files = await filesBelow(folder);
  const unfinished = files.filter((file) => !known.has(file));
  expect(unfinished.filter((file) => !file.endsWith(".tmp"))).toEqual([]);
  // Of each message its content, and what is large in it beside that; of each result what notify was keeping.
  expect(unfinished.length).toBeLessThanOrEqual((2 * atOnce + writers * writerConcurrency) * kills);
  for (const file of files) {
    const bytes = known.get(file);
    if (bytes !== undefined) expect((await stat(join(folder, file))).size).toBe(bytes);
  }
}
