import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FtpServer } from "../../demo/servers/ftp";
import type { Message } from "../support/node-red-events";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { provideRuntime, runtimeNames } from "../support/runtimes";

/** One Node-RED of several with the same flow: it keeps its folder when it is started again. */
interface Member {
  readonly userDir: string;
  nodeRed: NodeRedProcess;
}

/** A message that left somewhere, and who told it. */
export interface Told {
  readonly msg: Message;
  readonly by: NodeRedProcess;
}

export interface Cluster {
  /** Those that run. */
  readonly running: readonly NodeRedProcess[];
  /** Kills the one that was started first, at once. */
  killOldest(): Promise<void>;
  /** Starts the one that was killed last again, with what it had kept. */
  restart(): Promise<void>;
  /** What debug nodes received, in all that ever ran. */
  told(debugNodeId: string): Told[];
  wasKilled(nodeRed: NodeRedProcess): boolean;
  close(): Promise<void>;
}

/** Starts Node-REDs with the same flow, 4.1 and 5 by turns. */
export async function startCluster(size: number, flows: readonly FlowNode[]): Promise<Cluster> {
  const folders: string[] = [];
  const everStarted: NodeRedProcess[] = [];
  const killed = new Set<NodeRedProcess>();
  const dead: Member[] = [];
  const runtimes = await Promise.all(runtimeNames.map(provideRuntime));
  const start = async (n: number): Promise<Member> => {
    const userDir = await mkdtemp(join(tmpdir(), "cluster-"));
    folders.push(userDir);
    const runtime = runtimes[n % runtimes.length];
    if (!runtime) throw new Error("There is no runtime.");
    const nodeRed = await startNodeRed({ runtime, userDir, flows });
    everStarted.push(nodeRed);
    return { userDir, nodeRed };
  };
  const members = await Promise.all(Array.from({ length: size }, (_, n) => start(n)));
  return {
    get running() {
      return members.map(({ nodeRed }) => nodeRed);
    },
    async killOldest() {
      const victim = members.shift();
      if (!victim) throw new Error("All are dead.");
      killed.add(victim.nodeRed);
      dead.push(victim);
      await victim.nodeRed.kill();
    },
    async restart() {
      const member = dead.pop();
      if (!member) throw new Error("All are alive.");
      const { runtime } = member.nodeRed;
      const nodeRed = await startNodeRed({ runtime, userDir: member.userDir });
      everStarted.push(nodeRed);
      members.push({ ...member, nodeRed });
    },
    told: (id) => everStarted.flatMap((by) => by.messages(id).map((msg) => ({ msg, by }))),
    wasKilled: (nodeRed) => killed.has(nodeRed),
    async close() {
      await Promise.all(members.map(({ nodeRed }) => nodeRed.kill()));
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    },
  };
}

interface FlowParts {
  ftp: FtpServer;
  storeNode: FlowNode;
  /** How many messages the button `many` makes. */
  files: number;
  /** Of each of these messages, in bytes at least. */
  contentBytes?: number;
  /** Further nodes, which the store needs. */
  more?: readonly FlowNode[];
  /** The buttons `at-…`, whose writer delivers one message for each of these texts. */
  onceTexts: readonly string[];
}

/**
 * `many` → writer; `at-…` → a writer that delivers once; a schedule of each second. What leaves arrives at
 * the debug nodes `delivered` and `failed`, `once`, and `second`; what the writers are done with at `taken`
 * and `ended`.
 */
export function clusterFlow(parts: FlowParts): FlowNode[] {
  const { ftp, storeNode, files, contentBytes = 0, more = [], onceTexts } = parts;
  const on = { z: "tab", x: 0, y: 0 };
  const writer = {
    ...{ type: "delivery-ftp-writer", ...on, connection: "ftp", store: "store", path: "{{source.name}}" },
    ...{ conflict: "replace", makeFolders: true, temporaryName: true, verify: "size", metadata: [] },
  };
  return [
    { id: "tab", type: "tab", label: "cluster" },
    storeNode,
    ...more,
    {
      id: "ftp",
      type: "delivery-ftp-connection",
      ...{ host: ftp.host, port: ftp.port, security: "none", root: "/" },
      credentials: { user: ftp.user, password: ftp.password },
    },
    { id: "many", type: "inject", ...on, props: [], wires: [["make"]] },
    {
      id: "make",
      type: "function",
      ...on,
      outputs: 1,
      func: `for (let n = 0; n < ${files}; n++) {
        node.send({ payload: ("report " + n).padEnd(${contentBytes}), filename: n + ".txt" });
      }`,
      wires: [["writer"]],
    },
    { id: "writer", ...writer, concurrency: 2, wires: [["delivered"], ["failed"]] },
    { id: "accepted", type: "complete", ...on, scope: ["writer"], uncaught: false, wires: [["taken"]] },
    ...onceTexts.map((text) => ({
      ...{
        id: `at-${text}`,
        type: "inject",
        ...on,
        props: [{ p: "payload" }, { p: "filename", v: text, vt: "str" }],
      },
      ...{ payload: text, payloadType: "str", wires: [["once-writer"]] },
    })),
    {
      id: "once-writer",
      ...writer,
      ...{ path: "once-{{source.name}}", onceKey: "{{msg.payload}}", wires: [["once"], ["failed"]] },
    },
    { id: "all-held", type: "complete", ...on, scope: ["once-writer"], uncaught: false, wires: [["ended"]] },
    {
      id: "schedule",
      type: "delivery-schedule",
      ...on,
      ...{ cron: "* * * * * *", timeZone: "UTC", missed: "all", missedLimit: "100", store: "store" },
      wires: [["second"]],
    },
    ...["delivered", "failed", "taken", "once", "ended", "second"].map((id) => ({
      ...{ id, type: "debug", ...on, active: false, complete: "true", targetType: "full", wires: [] },
    })),
  ];
}
