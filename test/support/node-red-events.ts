import type { ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";

export interface LogEntry {
  /** As Node-RED counts: 10 fatal, 20 error, 30 warn, 40 info. */
  level: number;
  text: string;
  type?: string;
  id?: string;
  name?: string;
}

export interface NodeStatus {
  fill?: string;
  shape?: string;
  text?: string;
}

export type Message = Record<string, unknown>;

/** What ./node-red-child.cjs tells of itself. */
type ChildEvent =
  | { event: "log"; entry: LogEntry }
  | { event: "status"; id: string; status: NodeStatus }
  | { event: "comms"; topic: string; data: unknown }
  | { event: "message"; id: string; msg: Message }
  | { event: "loaded"; files: string[] }
  | { event: "listening"; port: number }
  | { event: "not-started"; reason: string }
  | { event: "started" };

interface Seen {
  port?: number;
  /** How often the flows were started. */
  starts: number;
  /** Why they were not, at the last try. */
  notStarted?: string | undefined;
  exit?: [code: number | null, signal: NodeJS.Signals | null];
  output: string;
  /** The answer to the question of the same name. */
  loadedFiles?: string[] | undefined;
  readonly log: LogEntry[];
  readonly statuses: Map<string, NodeStatus>;
  readonly messages: Map<string, Message[]>;
  readonly comms: Map<string, unknown[]>;
}

export type Observed = ReturnType<typeof observe>;

/** Keeps what the process tells of itself, and lets people wait for it. */
export function observe(child: ChildProcess) {
  const state: Seen = {
    starts: 0,
    output: "",
    log: [],
    statuses: new Map(),
    messages: new Map(),
    comms: new Map(),
  };
  const news = new EventEmitter().setMaxListeners(0);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      state.output += text;
    });
  }
  child.on("message", (message) => {
    note(state, message as ChildEvent);
    news.emit("news");
  });
  child.once("error", (error) => {
    state.output += `${error.stack}\n`;
  });
  child.once("close", (code, signal) => {
    state.exit = [code, signal];
    news.emit("news");
  });

  async function until<T>(what: string, find: () => T | undefined, timeoutMs = 15_000): Promise<T> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const ended = state.exit ? `it ended (${state.exit})` : state.notStarted;
      if (ended !== undefined || signal.aborted) {
        const why = ended ?? `${timeoutMs} ms passed`;
        throw new Error(`Waiting for ${what} of Node-RED, but ${why}. It wrote:\n${state.output}`);
      }
      await once(news, "news", { signal }).catch(() => undefined);
    }
  }
  async function loadedFiles(): Promise<readonly string[]> {
    state.loadedFiles = undefined;
    child.send("loaded files");
    return until("the loaded files", () => state.loadedFiles);
  }
  return { state, until, queries: { ...queriesOf(state, until), loadedFiles } };
}

function note(state: Seen, message: ChildEvent): void {
  if (message.event === "log") state.log.push(message.entry);
  else if (message.event === "status") state.statuses.set(message.id, message.status);
  else if (message.event === "comms") append(state.comms, message.topic, message.data);
  else if (message.event === "message") append(state.messages, message.id, message.msg);
  else if (message.event === "loaded") state.loadedFiles = message.files;
  else if (message.event === "listening") state.port = message.port;
  else if (message.event === "started") state.starts++;
  else state.notStarted = message.reason;
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

type Until = <T>(what: string, find: () => T | undefined, timeoutMs?: number) => Promise<T>;

function queriesOf(state: Seen, until: Until) {
  return {
    log: state.log as readonly LogEntry[],
    output: () => state.output,
    status: (nodeId: string) => state.statuses.get(nodeId),
    messages: (nodeId: string): readonly Message[] => state.messages.get(nodeId) ?? [],
    comms: (topic: string): readonly unknown[] => state.comms.get(topic) ?? [],
    waitForStatus(nodeId: string, found: (status: NodeStatus) => boolean, timeoutMs?: number) {
      const find = () => {
        const status = state.statuses.get(nodeId);
        return status && found(status) ? status : undefined;
      };
      return until(`a status of ${nodeId}`, find, timeoutMs);
    },
    waitForMessage(nodeId: string, found: (msg: Message) => boolean = () => true, timeoutMs?: number) {
      return until(`a message at ${nodeId}`, () => state.messages.get(nodeId)?.find(found), timeoutMs);
    },
    waitForLog(pattern: RegExp, timeoutMs?: number) {
      return until(
        `${pattern} in the log`,
        () => state.log.find(({ text }) => pattern.test(text)),
        timeoutMs,
      );
    },
  };
}
