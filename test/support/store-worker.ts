// A process that works through a queue of a shared store until it is killed. What it does, it appends to a
// file as lines of JSON.
import { createHash } from "node:crypto";
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { DeliveryRunner } from "../../src/lib";
import { openSharedStore, type SharedStoreOptions } from "./shared-store";

export interface WorkerLine {
  did: "start" | "end" | "announce" | "problem";
  pid: number;
  /** Milliseconds since the epoch. */
  at: number;
  /** The delivery's. */
  id?: string;
  text?: string;
}

export interface WorkerTask {
  options: SharedStoreOptions;
  queue: string;
  logFile: string;
  /** How long an attempt takes. */
  workMs: number;
  /** For so long nothing in the process runs once its first attempt has begun. */
  blockedMs?: number;
}

const [task = "{}"] = process.argv.slice(2);
const { options, queue, logFile, workMs, blockedMs = 0 } = JSON.parse(task) as WorkerTask;
let blocked = false;

function note(line: Omit<WorkerLine, "pid" | "at">): void {
  appendFileSync(logFile, `${JSON.stringify({ ...line, pid: process.pid, at: Date.now() })}\n`);
}

function block(): void {
  blocked = true;
  if (blockedMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockedMs);
}

const runner = new DeliveryRunner({
  queue,
  store: openSharedStore(options),
  async attempt({ id, location }, { signal }) {
    note({ did: "start", id });
    if (!blocked) block();
    await sleep(workMs * (0.5 + Math.random()), undefined, { signal });
    note({ did: "end", id });
    const sha256 = createHash("sha256").update(id).digest("hex");
    return { location, outcome: "delivered", bytes: id.length, sha256, verified: "none", notes: [] };
  },
  announce: ({ id }) => note({ did: "announce", id }),
});
runner.on("problem", ({ message }) => note({ did: "problem", text: message }));
runner.start();
