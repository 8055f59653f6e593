import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type FlowNode, settingsOf, userFolderOf, writeUserFolder } from "./user-folder";

export type { FlowNode } from "./user-folder";

/** `msg.delivery`, as far as the demo looks at it. */
export interface DeliveryRecord {
  id: string;
  state: string;
  writer: { id: string };
  target: string;
  location: string;
  bytes?: number;
  sha256?: string;
  attempts: { n: number; error?: { message: string } }[];
}

export interface NodeRedOptions {
  /** An existing folder for its user folder and its log. */
  folder: string;
  flows: readonly FlowNode[];
  /** Without `anyPort` this one or none; with it the next free one. */
  port: number;
  anyPort: boolean;
  env: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

export interface NodeRed {
  readonly url: string;
  readonly port: number;
  readonly logFile: string;
  /** Rejects when it ends without having been stopped. */
  readonly ended: Promise<never>;
  /** The records in all messages that nodes have sent so far, in order; it grows. */
  readonly sent: readonly DeliveryRecord[];
  /** Presses the button of an inject node. */
  press(nodeId: string): Promise<void>;
  /** The first record, of those so far and those to come, that the predicate takes; undefined if none comes. */
  outcome(
    found: (delivery: DeliveryRecord) => boolean,
    timeoutMs: number,
  ): Promise<DeliveryRecord | undefined>;
  stop(): Promise<void>;
}

type ChildEvent =
  | { event: "sent"; node: string; output: number; delivery: DeliveryRecord }
  | { event: "started"; port: number }
  | { event: "failed"; code?: string; reason: string };

const startTimeoutMs = 90_000;
/** Node-RED gives its nodes 15 s to close. */
const stopTimeoutMs = 20_000;
const lookEveryMs = 50;

/** @throws Error with a sentence for people when it does not start */
export async function startNodeRed(options: NodeRedOptions): Promise<NodeRed> {
  const userDir = userFolderOf(options.folder);
  const logFile = join(options.folder, "node-red.log");
  await writeUserFolder(userDir, options.flows);
  const child = await spawnChild(options, userDir, logFile);
  const exited = once(child, "exit");
  const news = new EventEmitter().setMaxListeners(0);
  const sent: DeliveryRecord[] = [];
  child.on("message", (event: ChildEvent) => {
    if (event.event === "sent") sent.push(event.delivery);
    news.emit(event.event, event);
  });

  let stopping = false;
  const ended = exited.then(async () => {
    if (stopping) return new Promise<never>(() => {});
    const lines = (await readFile(logFile, "utf8").catch(() => "")).trim().split("\n").slice(-5);
    throw new Error(`Node-RED ended by itself. Its last words:\n${lines.join("\n")}`);
  });
  ended.catch(() => {});

  const stop = async () => {
    stopping = true;
    const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    child.kill("SIGTERM");
    await exited;
    clearTimeout(timer);
  };

  try {
    const port = await Promise.race([ended, whenStarted(news, options)]);
    const url = `http://127.0.0.1:${port}`;
    return {
      url,
      port,
      logFile,
      ended,
      sent,
      stop,
      async press(nodeId) {
        const { ok, status } = await fetch(`${url}/inject/${nodeId}`, { method: "POST" });
        if (!ok) throw new Error(`Node-RED did not take the press of a button: ${status}.`);
      },
      async outcome(found, timeoutMs) {
        const deadlineMs = performance.now() + timeoutMs;
        let record = sent.find(found);
        while (!record && performance.now() < deadlineMs) {
          await sleep(lookEveryMs);
          record = sent.find(found);
        }
        return record;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function whenStarted(news: EventEmitter, { port, signal }: NodeRedOptions): Promise<number> {
  const started = once(news, "started", { signal });
  const failed = once(news, "failed", { signal }).then(([{ code, reason }]) => {
    const busy = code === "EADDRINUSE" && `Port ${port} is in use. Choose another one with --port.`;
    throw new Error(busy || `Node-RED does not start: ${reason}.`);
  });
  const tooLate = sleep(startTimeoutMs, undefined, { signal, ref: false }).then(() => {
    throw new Error(`Node-RED did not start within ${startTimeoutMs / 1000} s.`);
  });
  const [{ port: found }] = await Promise.race([started, failed, tooLate]);
  return found;
}

async function spawnChild(options: NodeRedOptions, userDir: string, logFile: string): Promise<ChildProcess> {
  const { port, anyPort, env } = options;
  const own = Object.entries(process.env).filter(([name]) => !/^(AWS_|NODE_RED_|NODE_OPTIONS$)/.test(name));
  const settings = await settingsOf(userDir);
  const log = await open(logFile, "a");
  try {
    return spawn(process.execPath, [join(__dirname, "child.cjs")], {
      cwd: userDir,
      env: {
        ...Object.fromEntries(own),
        ...env,
        DEMO_NODE_RED: JSON.stringify({ port, anyPort, settings }),
      },
      stdio: ["ignore", log.fd, log.fd, "ipc"],
    });
  } finally {
    await log.close();
  }
}
