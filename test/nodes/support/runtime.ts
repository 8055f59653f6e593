import { EventEmitter, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import type { NodeStatus } from "node-red";
import { afterAll, afterEach, beforeAll } from "vitest";
import registerDataSource from "../../../src/nodes/data-source/data-source";
import registerFolderWriter from "../../../src/nodes/folder-writer/folder-writer";
import registerFtpConnection from "../../../src/nodes/ftp-connection/ftp-connection";
import registerFtpWriter from "../../../src/nodes/ftp-writer/ftp-writer";
import registerNotify from "../../../src/nodes/notify/notify";
import registerRetry from "../../../src/nodes/retry/retry";
import registerS3Connection from "../../../src/nodes/s3-connection/s3-connection";
import registerS3Writer from "../../../src/nodes/s3-writer/s3-writer";
import registerSchedule from "../../../src/nodes/schedule/schedule";
import registerSftpConnection from "../../../src/nodes/sftp-connection/sftp-connection";
import registerSftpWriter from "../../../src/nodes/sftp-writer/sftp-writer";
import registerSmtpConnection from "../../../src/nodes/smtp-connection/smtp-connection";
import registerStore from "../../../src/nodes/store/store";
import { type FlowNode, fits, placed } from "./flow";

export type { FlowNode } from "./flow";

/** A message as a flow knows it. What the package's nodes put into it is looked at freely. */
// biome-ignore lint/suspicious/noExplicitAny: tests assert on whatever a node put there
export type Message = Record<string, any>;

interface RunningNode extends EventEmitter {
  receive(msg: Message): void;
}

/** Of the admin API. */
interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on whatever came
  body: any;
}

/** It brings no types; these are the parts used here. */
interface TestHelper {
  init(runtime: string, settings: object): void;
  settings(settings: object): void;
  startServer(): Promise<void>;
  stopServer(): Promise<void>;
  load(registers: unknown[], flow: object[], credentials: object): Promise<void>;
  setFlows(flow: object[], type: string, credentials: object): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): RunningNode;
  request(): {
    get(path: string): Promise<Answer>;
    post(path: string): { send(body: object): Promise<Answer> };
  };
  log(): { args: [entry: { level: number; msg: unknown; id?: string }][] };
}

const registers = [
  registerDataSource,
  registerFolderWriter,
  registerFtpConnection,
  registerFtpWriter,
  registerNotify,
  registerRetry,
  registerS3Connection,
  registerS3Writer,
  registerSchedule,
  registerSftpConnection,
  registerSftpWriter,
  registerSmtpConnection,
  registerStore,
];

const require = createRequire(__filename);
const patienceMs = 20_000;

export interface Runtime {
  /** For the files of the tests, which any message may name; removed with all that is in it. */
  readonly folder: string;
  /** Of the Node-RED that runs, or is to be loaded next while `nextLoad` prepares it. */
  readonly userFolder: string;
  /** Prepares the user folder of the next load before Node-RED sees it. */
  nextLoad(prepare: () => Promise<void>): void;
  /** Starts these nodes on one tab, and no others; `helper` nodes keep what they receive. */
  load(nodes: readonly FlowNode[], credentials?: object): Promise<void>;
  /** Deploys other nodes in place of those that run. */
  deploy(nodes: readonly FlowNode[], type?: "full" | "flows" | "nodes"): Promise<void>;
  /** Hands a message to a node, and gives its id. */
  send(id: string, msg: Message): string;
  /** Hands a node this very object, as the first wire of its sender does. */
  hand(id: string, msg: Message): void;
  /** Everything that a helper node has received since the load, in order. */
  received(id: string): readonly Message[];
  /** The helper node's next message that was not given before. */
  next(id: string): Promise<Message>;
  /** What a node has shown under it, in order. */
  statuses(id: string): readonly NodeStatus[];
  /** Waits until the node's status says so. */
  status(id: string, expected: Partial<NodeStatus> | RegExp): Promise<NodeStatus>;
  /** Posts to the admin API, and gives the answer. */
  post(path: string, body: object): Promise<unknown>;
  /** Asks the admin API for what is at a path. */
  get(path: string): Promise<Answer>;
  /** Posts to the admin API, and gives the answer with its status. */
  ask(path: string): Promise<Answer>;
  /** Every entry of the log. */
  logged(): readonly { level: number; msg: unknown; id?: string }[];
}

/** A Node-RED with the package's nodes for the tests of one file. */
export function useRuntime(): Runtime {
  const helper: TestHelper = require("node-red-node-test-helper");
  const arrivals = new EventEmitter().setMaxListeners(0);
  const inboxes = new Map<string, { messages: Message[]; given: number }>();
  const shown = new Map<string, NodeStatus[]>();
  let folder = "";
  let events = new EventEmitter();
  let credentials: object = {};
  let loaded = false;
  let loads = 0;
  let prepare: (() => Promise<void>) | undefined;
  const userFolder = () => path.join(folder, `runtime-${loads}`);

  const collect = (nodes: readonly FlowNode[]) => {
    for (const { id } of nodes.filter(({ type }) => type === "helper")) {
      const inbox = inboxes.get(id) ?? { messages: [], given: 0 };
      inboxes.set(id, inbox);
      const node = helper.getNode(id);
      // A node that a partial deploy left running has its listener already.
      if (collected.has(node)) continue;
      collected.add(node);
      node.on("input", (msg: Message) => {
        inbox.messages.push(msg);
        arrivals.emit("arrival");
      });
    }
  };
  const collected = new WeakSet<RunningNode>();

  const waitFor = async <T>(what: string, look: () => T | undefined): Promise<T> => {
    const signal = AbortSignal.timeout(patienceMs);
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await once(arrivals, "arrival", { signal }).catch(() => {
        const seen = { received: Object.fromEntries(inboxes), statuses: Object.fromEntries(shown) };
        throw new Error(`${what} did not come. There was: ${JSON.stringify(seen, undefined, 1)}`);
      });
    }
  };

  const deploy = async (nodes: readonly FlowNode[], type: string) => {
    const started = once(events, "flows:started", { signal: AbortSignal.timeout(patienceMs) });
    await helper.setFlows(placed(nodes), type, credentials).catch((error: Error) => {
      // The helper gives a busy machine 300 ms to start the flows.
      if (error.message !== "timeout waiting event") throw error;
    });
    await started;
  };

  const show = ({ id, status }: { id: string; status: NodeStatus }) => {
    shown.set(id, [...(shown.get(id) ?? []), status]);
    arrivals.emit("arrival");
  };

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "nodes-test-"));
    const runtime = require.resolve("node-red");
    helper.init(runtime, {});
    await helper.startServer();
    events = require(runtime).events;
    events.on("node-status", show);
  });
  const unload = async () => {
    if (!loaded) return;
    loaded = false;
    await helper.unload();
    inboxes.clear();
    shown.clear();
  };
  afterEach(unload);
  afterAll(async () => {
    events.off("node-status", show);
    await helper.stopServer();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  return {
    get folder() {
      return folder;
    },
    get userFolder() {
      return userFolder();
    },
    nextLoad(act) {
      prepare = act;
    },
    async load(nodes, secrets = {}) {
      await unload();
      // What one test leaves waiting must not come again in the next.
      loads++;
      const deliveryFiles = { folders: [folder] };
      helper.settings({ userDir: userFolder(), nodeCloseTimeout: 15_000, deliveryFiles });
      await prepare?.();
      prepare = undefined;
      credentials = secrets;
      loaded = true;
      // The helper registers a core node's type once for each such node, and the second time fails.
      const firstOfType = nodes.filter(
        ({ type }, at) => nodes.findIndex((node) => node.type === type) === at,
      );
      const coreTypes = new Set(["catch", "complete", "status"]);
      const first = nodes.filter((node) => !coreTypes.has(node.type) || firstOfType.includes(node));
      await helper.load(registers, placed(first), credentials);
      if (first.length < nodes.length) await deploy(nodes, "full");
      collect(nodes);
    },
    async deploy(nodes, type = "full") {
      await deploy(nodes, type);
      collect(nodes);
    },
    send(id, msg) {
      const { _msgid = Math.random().toString(16).slice(2, 18) } = msg;
      helper.getNode(id).receive({ ...msg, _msgid });
      return _msgid;
    },
    hand: (id, msg) => helper.getNode(id).receive(msg),
    received: (id) => inboxes.get(id)?.messages ?? [],
    next: (id) =>
      waitFor(`A message at ${id}`, () => {
        const inbox = inboxes.get(id);
        const message = inbox?.messages[inbox.given];
        if (inbox && message) inbox.given++;
        return message;
      }),
    statuses: (id) => shown.get(id) ?? [],
    status: (id, expected) =>
      waitFor(`The status ${expected instanceof RegExp ? expected : JSON.stringify(expected)} of ${id}`, () =>
        shown.get(id)?.findLast((status) => fits(status, expected)),
      ),
    post: async (route, body) => (await helper.request().post(route).send(body)).body,
    get: (route) => helper.request().get(route),
    ask: (route) => helper.request().post(route).send({}),
    logged: () => helper.log().args.map(([entry]) => entry),
  };
}
