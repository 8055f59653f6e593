import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ensureBuilt, packageRoot } from "./built-package";
import { type LogEntry, type Message, type NodeStatus, type Observed, observe } from "./node-red-events";
import type { Runtime } from "./runtimes";

/** A node, tab, group or config node as flow files have it; `credentials` are kept apart on the disk. */
export interface FlowNode {
  id: string;
  type: string;
  credentials?: Record<string, string>;
  [property: string]: unknown;
}

export interface NodeRedOptions {
  runtime: Runtime;
  /** Default: none. With a `userDir` of an earlier run: what that run left. */
  flows?: readonly FlowNode[];
  /** The installed package to load. Default: this checkout, built. `null`: none, a bare Node-RED. */
  packageFolder?: string | null;
  env?: Readonly<Record<string, string>>;
  /** More of settings.js, as plain data. */
  settings?: Readonly<Record<string, unknown>>;
  /** Default: a new folder, removed by `stop` and `kill`. */
  userDir?: string;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  elapsedMs: number;
}

export type DeployType = "full" | "nodes" | "flows";

/** A running Node-RED in a process of its own. Whoever started it calls `stop` or `kill`. */
export interface NodeRedProcess {
  /** Without a slash at the end. The editor and the admin API are at `/`, http nodes at `/http`. */
  readonly url: string;
  readonly pid: number;
  readonly userDir: string;
  readonly runtime: Runtime;
  readonly log: readonly LogEntry[];
  /** Everything it wrote to stdout and stderr. */
  output(): string;
  /** Replaces all flows; resolves when they run. */
  deploy(flows: readonly FlowNode[], type?: DeployType): Promise<void>;
  /** Presses the button of an inject node. */
  inject(nodeId: string): Promise<void>;
  /** Asks the admin API for JSON. @throws Error on any other status than 2xx */
  get<T = unknown>(path: string): Promise<T>;
  /** What a debug node has received, whole; also when it is switched off. */
  messages(debugNodeId: string): readonly Message[];
  waitForMessage(
    debugNodeId: string,
    found?: (msg: Message) => boolean,
    timeoutMs?: number,
  ): Promise<Message>;
  status(nodeId: string): NodeStatus | undefined;
  waitForStatus(
    nodeId: string,
    found: (status: NodeStatus) => boolean,
    timeoutMs?: number,
  ): Promise<NodeStatus>;
  waitForLog(pattern: RegExp, timeoutMs?: number): Promise<LogEntry>;
  /** What went to the editors under a topic. */
  comms(topic: string): readonly unknown[];
  /** The CommonJS files in its memory: what has been loaded so far. */
  loadedFiles(): Promise<readonly string[]>;
  /** @throws Error with what it wrote, when `find` stays undefined for that long or the process ends */
  until<T>(what: string, find: () => T | undefined, timeoutMs?: number): Promise<T>;
  /** The most memory it held at any time, in bytes. Linux only. */
  peakRssBytes(): Promise<number>;
  /** As an init system stops it: SIGTERM, and SIGKILL after 30 s. */
  stop(): Promise<Exit>;
  kill(): Promise<Exit>;
}

const stopTimeoutMs = 30_000;

/** Starts a real Node-RED on a free port; resolves when its flows run and it answers. */
export async function startNodeRed(options: NodeRedOptions): Promise<NodeRedProcess> {
  const userDir = options.userDir ?? (await mkdtemp(join(tmpdir(), "node-red-")));
  await linkPackage(userDir, options.packageFolder);
  if (options.flows) await writeFlows(userDir, options.flows);
  const child = spawnChild(options, userDir);
  const observed = observe(child);
  const { state, until } = observed;

  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    const startedAt = performance.now();
    if (!state.exit) {
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      const exited = once(child, "close");
      child.kill(signal);
      await exited;
      clearTimeout(timer);
    }
    if (options.userDir === undefined) await rm(userDir, { recursive: true, force: true });
    const [code, killedBy] = state.exit ?? [null, null];
    return { code, signal: killedBy, elapsedMs: performance.now() - startedAt };
  };

  try {
    await until("its start", () => (state.port !== undefined && state.starts > 0) || undefined, 60_000);
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }

  const url = `http://127.0.0.1:${state.port}`;
  return {
    ...observed.queries,
    ...adminApi(url, observed),
    url,
    pid: child.pid as number,
    userDir,
    runtime: options.runtime,
    until,
    peakRssBytes: () => peakRssBytes(child.pid as number),
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}

/** A link, as `npm install <folder>` makes one. */
async function linkPackage(userDir: string, packageFolder: string | null | undefined): Promise<void> {
  if (packageFolder === null) return;
  if (packageFolder === undefined) await ensureBuilt();
  const link = join(userDir, "node_modules/@data-distribution/node-red");
  await mkdir(dirname(link), { recursive: true });
  await symlink(packageFolder ?? packageRoot, link).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function writeFlows(userDir: string, flows: readonly FlowNode[]): Promise<void> {
  const secrets = flows.filter(({ credentials }) => credentials);
  const bare = flows.map(({ credentials: _, ...node }) => node);
  await writeFile(join(userDir, "flows.json"), JSON.stringify(bare));
  await writeFile(
    join(userDir, "flows_cred.json"),
    JSON.stringify(Object.fromEntries(secrets.map(({ id, credentials }) => [id, credentials]))),
  );
}

function spawnChild({ runtime, env, settings }: NodeRedOptions, userDir: string): ChildProcess {
  const all = {
    userDir,
    flowFile: "flows.json",
    // Credentials are then stored as they are: what a test plants, it can look for.
    credentialSecret: false,
    httpNodeRoot: "/http",
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false, palette: { catalogues: [] } },
    ...settings,
  };
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_|AWS_)/.test(name));
  return spawn(runtime.nodePath, [join(__dirname, "node-red-child.cjs")], {
    cwd: userDir,
    // A home of its own: nobody's ~/.aws or ~/.node-red changes what a test sees.
    env: {
      ...Object.fromEntries(inherited),
      HOME: userDir,
      ...env,
      NODE_RED_CHILD: JSON.stringify({ nodeRedFolder: runtime.nodeRedFolder, settings: all }),
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    serialization: "advanced",
  });
}

function adminApi(url: string, { state, until }: Observed) {
  const request = async (path: string, init?: RequestInit): Promise<Response> => {
    const response = await fetch(`${url}${path}`, init);
    if (response.ok) return response;
    throw new Error(`${init?.method ?? "GET"} ${path}: ${response.status} ${await response.text()}`);
  };
  return {
    async deploy(flows: readonly FlowNode[], type: DeployType = "full") {
      const startsBefore = state.starts;
      state.notStarted = undefined;
      await request("/flows", {
        method: "POST",
        headers: { "content-type": "application/json", "Node-RED-Deployment-Type": type },
        body: JSON.stringify(flows),
      });
      // The answer comes when the old flows have stopped, not when the new ones run.
      await until("the deploy", () => state.starts > startsBefore || undefined, 30_000);
    },
    async inject(nodeId: string) {
      await request(`/inject/${nodeId}`, { method: "POST" });
    },
    async get<T>(path: string): Promise<T> {
      return (await (await request(path, { headers: { accept: "application/json" } })).json()) as T;
    },
  };
}

async function peakRssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
