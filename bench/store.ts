/**
 * What the SQLite store costs: `npx tsx bench/store.ts`. On both of its drivers, libsql on this Node.js and
 * the built-in one on Node.js 24: how many deliveries a second it takes in bursts, and how late the event
 * loop is meanwhile; how fast and how small it starts with 10,000 deliveries that wait; how late they begin
 * when they are due; how long the event loop stands still while 10,000 that have ended are tidied, there and
 * in memory. Each step runs in a process of its own. Fails when one is over its limit.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Claim,
  createMemoryStore,
  createSqliteStore,
  type Delivery,
  type DeliveryDraft,
  DeliveryRunner,
  type DeliveryStore,
  type ErrorRecord,
} from "../src/lib";
import { provideRuntime, runtimeNames } from "../test/support/runtimes";
import { tidy } from "./tidying";

const burst = 2_000;
const bursts = 5;
const waiting = 10_000;
const dueSoon = 100;
const everyMs = 50;
const queue = "writer";
/** Stands for a file where there is none. */
const inMemory = "memory";
const limits = { perSecond: 2_000, delayP99Ms: 30, startMs: 3_000, startMegabytes: 50, lateMs: 1_000 };
const standstillMs = 20;

type Figures = Partial<Record<keyof typeof limits, number>> & Record<string, number>;
type Step = (store: DeliveryStore, startedMs: number, file: string) => Promise<Figures>;

function draftOf(n: number, writerId = queue): DeliveryDraft {
  return {
    id: randomUUID(),
    writer: { id: writerId, type: "delivery-s3-writer", name: "to S3" },
    source: { kind: "text", name: `report-${n}.txt`, text: "One line of a report.\n".repeat(45) },
    target: `reports/2026/report-${n}.txt`,
    location: `s3://reports/2026/report-${n}.txt`,
    contentType: "text/plain",
    metadata: { title: "Report", number: String(n) },
    attributes: {},
    message: {
      message: { _msgid: randomUUID(), topic: "report", payload: n },
      large: [],
      property: "delivery",
    },
  };
}

const steps: Readonly<Record<string, Step>> = {
  /** Bursts of calls at once, with what Node-RED does between two messages of a flow: a turn of the loop. */
  async accept(store) {
    await store.accept(draftOf(0, "warm-up"));
    const rates: number[] = [];
    const delay = monitorEventLoopDelay({ resolution: 1 });
    for (let round = 0; round < bursts; round++) {
      delay.enable();
      const startedMs = performance.now();
      const accepting: Promise<unknown>[] = [];
      for (let n = 0; n < burst; n++) {
        accepting.push(store.accept(draftOf(n)));
        await new Promise(setImmediate);
      }
      await Promise.all(accepting);
      rates.push((burst / (performance.now() - startedMs)) * 1000);
      delay.disable();
    }
    return { perSecond: median(rates), delayP99Ms: delay.percentile(99) / 1e6, delayMaxMs: delay.max / 1e6 };
  },

  /** All in one turn of the loop: the worst that a caller can do. */
  async acceptAtOnce(store) {
    await store.accept(draftOf(0, "warm-up"));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: burst }, (_, n) => store.accept(draftOf(n))));
    const perSecond = (burst / (performance.now() - startedMs)) * 1000;
    delay.disable();
    return { atOncePerSecond: perSecond, atOnceDelayMaxMs: delay.max / 1e6 };
  },

  /** Leaves `waiting` deliveries behind, some of which are due soon after the next step's start. */
  async fill(store) {
    for (let filled = 0; filled < waiting; filled += burst) {
      await Promise.all(Array.from({ length: burst }, (_, n) => store.accept(draftOf(filled + n))));
    }
    for (let filled = 0; filled < waiting; ) {
      const claims = await store.claim(queue, "bench", 500);
      const dueAt = Date.now() + 3_600_000;
      await Promise.all(claims.map((claim) => failAndWait(store, claim, dueAt)));
      filled += claims.length;
    }
    return {};
  },

  start,

  /** With all of them waiting, some become due one after the other. */
  async due(store) {
    await Promise.all(Array.from({ length: dueSoon }, (_, n) => store.accept(draftOf(n))));
    const claims = await store.claim(queue, "bench", dueSoon);
    const firstMs = Date.now() + 2_000;
    await Promise.all(claims.map((claim, n) => failAndWait(store, claim, firstMs + n * everyMs)));
    const lateMs: number[] = [];
    const runner = runnerOf(store, ({ dueAt }) => lateMs.push(Date.now() - dueAt));
    runner.start();
    await sleep(firstMs + dueSoon * everyMs + 3_000 - Date.now());
    await runner.close();
    return { due: lateMs.length, lateMs: lateMs.length === dueSoon ? Math.max(...lateMs) : Infinity };
  },

  tidyShort: (store, _startedMs, file) => tidy(store, `${file}-spool`, 1_000),
  tidyLong: (store, _startedMs, file) => tidy(store, `${file}-spool`, 60_000),
};

/** As long as it takes until the first of those that wait could be sent. */
async function start(store: DeliveryStore, startedMs: number): Promise<Figures> {
  const runner = runnerOf(store, () => {});
  runner.start();
  const counts = await store.counts(queue);
  await store.nextDueAt(queue);
  const startMs = performance.now() - startedMs;
  await sleep(2_000);
  await runner.close();
  return { startMs, waiting: counts.waiting, rssMegabytes: process.memoryUsage.rss() / 1e6 };
}

async function failAndWait(store: DeliveryStore, claim: Claim, dueAt: number): Promise<void> {
  const error: ErrorRecord = { kind: "unavailable", message: "Nothing answers there.", retryable: true };
  const attempt = { n: 1, startedAt: Date.now(), elapsedMs: 5, error };
  await store.settle(claim, { state: "failed", attempt, error });
  await store.retryAt(claim.delivery.id, dueAt);
}

function runnerOf(store: DeliveryStore, began: (delivery: Delivery) => void): DeliveryRunner {
  const runner = new DeliveryRunner({
    queue,
    store,
    async attempt(delivery) {
      began(delivery);
      const { location } = delivery;
      return { location, outcome: "delivered", bytes: 1, sha256: "", verified: "none", notes: [] };
    },
    announce: () => {},
  });
  runner.on("problem", (error) => {
    throw error;
  });
  return runner;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

async function runStep(step: string, file: string): Promise<void> {
  const startedMs = performance.now();
  const store = basename(file) === inMemory ? createMemoryStore() : createSqliteStore({ file });
  const figures = await steps[step]?.(store, startedMs, file);
  await store.close();
  process.send?.(figures);
}

async function runIn(nodePath: string, step: string, file: string): Promise<Figures> {
  const child = spawn(nodePath, ["--require", "tsx/cjs", __filename, step, file], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const answered = once(child, "message");
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`The step ${step} ended with ${code}.`);
  });
  ended.catch(() => {});
  const [figures] = (await Promise.race([answered, ended])) as [Figures];
  await ended.catch(() => {});
  return figures;
}

async function main(): Promise<void> {
  for (const name of runtimeNames) {
    const { nodePath } = await provideRuntime(name);
    const folder = await mkdtemp(join(tmpdir(), "bench-store-"));
    try {
      const run = (step: string, file: string) => runIn(nodePath, step, join(folder, file));
      const accepted = await run("accept", "accept.sqlite");
      const atOnce = await run("acceptAtOnce", "at-once.sqlite");
      const empty = await run("start", "empty.sqlite");
      await run("fill", "full.sqlite");
      const full = await run("start", "full.sqlite");
      const due = await run("due", "full.sqlite");
      const startMegabytes = (full.rssMegabytes ?? 0) - (empty.rssMegabytes ?? 0);
      report(name, { ...atOnce, ...accepted, ...full, startMegabytes, ...due });
      for (const step of ["tidyShort", "tidyLong"]) {
        report(`${name}, ${step}, in memory`, await run(step, inMemory));
        report(`${name}, ${step}, in a file`, await run(step, `${step}.sqlite`));
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  }
}

function report(name: string, figures: Figures): void {
  console.log(name);
  for (const [figure, value] of Object.entries(figures)) {
    const limit = figure.endsWith("StandstillMs") ? standstillMs : limits[figure as keyof typeof limits];
    const over = limit !== undefined && (figure === "perSecond" ? value < limit : value >= limit);
    if (over) process.exitCode = 1;
    console.log(`  ${figure}: ${Math.round(value)}${over ? ` (the limit is ${limit})` : ""}`);
  }
}

const [step, file] = process.argv.slice(2);
void (step !== undefined && file !== undefined ? runStep(step, file) : main());
