import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DeliveryStore } from "../../src/lib";
import { draftOf } from "../lib/store/contract";
import { openSharedStore, type SharedStoreOptions } from "../support/shared-store";
import type { WorkerLine, WorkerTask } from "../support/store-worker";

const leaseMs = 15_000;
const workerFile = path.join(__dirname, "../support/store-worker.ts");

let folder: string;
const workers = new Set<ChildProcess>();
const stores: DeliveryStore[] = [];

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "store-processes-"));
});
afterEach(async () => {
  for (const worker of workers) await kill(worker);
  for (const store of stores.splice(0)) await store.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function startWorker(task: WorkerTask): ChildProcess {
  const worker = spawn(process.execPath, ["--require", "tsx/cjs", workerFile, JSON.stringify(task)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  workers.add(worker);
  return worker;
}

async function kill(worker: ChildProcess): Promise<void> {
  workers.delete(worker);
  const ended = once(worker, "exit");
  worker.kill("SIGKILL");
  await ended;
}

function linesOf(logFile: string): WorkerLine[] {
  return readFileSync(logFile, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as WorkerLine);
}

async function until(what: string, limitMs: number, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await holds()); await sleep(100)) {
    if (Date.now() > deadline) throw new Error(`Not within ${limitMs} ms: ${what}`);
  }
}

async function fill(options: SharedStoreOptions, logFile: string, deliveries: number) {
  const store = openSharedStore(options);
  stores.push(store);
  writeFileSync(logFile, "");
  const ids = Array.from({ length: deliveries }, () => draftOf().id);
  for (let at = 0; at < deliveries; at += 50) {
    await Promise.all(ids.slice(at, at + 50).map((id) => store.accept(draftOf({ id }))));
  }
  return { store, ids: new Set(ids) };
}

/** How long after its process was killed each delivery was begun by another one. */
function takeOvers(lines: readonly WorkerLine[], killedAt: ReadonlyMap<number, number>): number[] {
  return lines
    .filter(({ did, pid }) => did === "start" && killedAt.has(pid))
    .flatMap(({ id, pid, at }) => {
      const next = lines.find((line) => line.did === "start" && line.id === id && line.at > at);
      return next ? [next.at - (killedAt.get(pid) ?? 0)] : [];
    });
}

function countById(lines: readonly WorkerLine[], did: WorkerLine["did"]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { id = "" } of lines.filter((line) => line.did === did))
    counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/** What can be done to a server, whatever it is. */
export interface Server {
  createDatabase(): Promise<SharedStoreOptions> | SharedStoreOptions;
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Processes that share a store, and are killed.
 * @param hasQueues whether BullMQ's locks end as well as leases, which are the same everywhere
 */
export function describeStoreProcesses(name: string, startServer: () => Promise<Server>, hasQueues = false) {
  describe(name, () => {
    let server: Server;
    beforeAll(async () => {
      server = await startServer();
    });
    afterAll(() => server?.stop());

    test.each([{ processes: 3, kills: 2, deliveries: 300 }])(
      "$processes processes do $kills kills and a restart of the server",
      async ({ processes, kills, deliveries }) => {
        const logFile = path.join(folder, `${name}-${processes}.log`);
        const options = { ...(await server.createDatabase()), leaseMs };
        const { store, ids } = await fill(options, logFile, deliveries);
        const task = { options, queue: "writer", logFile, workMs: 30 * processes };
        const crew = Array.from({ length: processes }, () => startWorker(task));
        const begun = () => countById(linesOf(logFile), "start").size;

        const killedAt = new Map<number, number>();
        for (let n = 1; n <= kills; n++) {
          await until("a share is done", 60_000, async () => begun() > (deliveries * n) / (kills + 2));
          const victim = crew.shift() as ChildProcess;
          await kill(victim);
          killedAt.set(victim.pid ?? 0, Date.now());
          crew.push(startWorker(task));
        }
        await until("most is done", 60_000, async () => begun() > (deliveries * (kills + 1)) / (kills + 2));
        await server.kill();
        await server.start();

        await until("all is delivered", 60_000, async () => (await store.counts()).delivered === deliveries);
        await until("all is announced", 90_000, async () => {
          const { deliveries: left } = await store.list({ announced: false }, { limit: 1 });
          return left.length === 0;
        });
        const lines = linesOf(logFile);
        const done = countById(lines, "end");
        expect(new Set(done.keys())).toEqual(ids);
        expect(new Set(countById(lines, "announce").keys())).toEqual(ids);

        // Only what a killed process had in its hands may have been done twice, or told twice.
        const inDeadHands = new Set(lines.filter(({ pid }) => killedAt.has(pid)).map(({ id }) => id));
        const twice = (did: WorkerLine["did"]) =>
          [...countById(lines, did)].filter(([id, count]) => count > 1 && !inDeadHands.has(id));
        expect(twice("end")).toEqual([]);
        expect(twice("announce")).toEqual([]);

        const delaysMs = takeOvers(lines, killedAt);
        expect(delaysMs.length).toBeGreaterThan(0);
        expect(Math.max(...delaysMs)).toBeLessThan(leaseMs + 10_000);
      },
      240_000,
    );

    if (!hasQueues) return;
    test("what a process has in its hands when it stands still is delivered once, by another one", async () => {
      const logFile = path.join(folder, `${name}-blocked.log`);
      // Long enough for the other one to start on a busy machine, and to take over.
      const blockedMs = 20_000;
      const options = { ...(await server.createDatabase()), leaseMs: 6_000 };
      const { store, ids } = await fill(options, logFile, 12);
      const task = { options, queue: "writer", logFile, workMs: 1_000 };
      const still = startWorker({ ...task, blockedMs });
      await until("one stands still", 60_000, async () =>
        linesOf(logFile).some(({ did }) => did === "start"),
      );
      startWorker(task);
      await until("all is delivered", 90_000, async () => (await store.counts()).delivered === ids.size);
      const begun = linesOf(logFile).find(({ did, pid }) => did === "start" && pid === still.pid);
      const wakesAt = (begun?.at ?? 0) + blockedMs;
      await until("it goes on", 30_000, async () => Date.now() > wakesAt + 3_000);
      await until("all is announced", 60_000, async () => {
        return new Set(countById(linesOf(logFile), "announce").keys()).size === ids.size;
      });
      const lines = linesOf(logFile);
      const takenOver = lines.find(
        ({ did, id, pid }) => did === "end" && id === begun?.id && pid !== still.pid,
      );
      expect(takenOver).toBeDefined();
      for (const did of ["end", "announce"] as const) {
        expect([...countById(lines, did)].filter(([, count]) => count > 1)).toEqual([]);
      }
    }, 240_000);
  });
}
