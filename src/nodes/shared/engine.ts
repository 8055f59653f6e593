import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { NodeAPI } from "node-red";
import {
  createMemoryStore,
  createScheduleRecords,
  createSpool,
  createSqliteStore,
  type DeliveryStore,
  prepareSource,
  type ScheduleRecords,
  type SourceSpec,
  type Spool,
} from "../../lib";
import type { KeptMessage } from "./kept-message";

/** A store, and what belongs to it. It outlives every deploy: nodes come and go, their deliveries stay. */
export interface Engine {
  readonly store: DeliveryStore;
  /** Where the store's deliveries have their content, and the large values of their messages. */
  readonly spool: Spool;
  /**
   * Makes a message's source what every attempt can read, wherever it is made.
   * @throws DeliveryError when it cannot be had, or kept
   */
  keepSource(source: SourceSpec): Promise<SourceSpec>;
}

/** The engine of a store node, and what it was made from. */
interface Chosen {
  readonly settings: string;
  readonly engine: Engine;
}

/** All engines of one Node-RED. */
interface Engines {
  readonly own: Engine;
  readonly schedules: ScheduleRecords;
  /** By the id of the store node. */
  readonly chosen: Map<string, Chosen>;
}

const enginesByUserFolder = new Map<string, Engines>();
/** How many ended deliveries are remembered, and for how long. */
const history = { olderThanMs: 7 * 86_400_000, keep: 1_000 };
export const spoolLimits = { maxAgeMs: 7 * 86_400_000, maxBytes: 10 * 1024 ** 3 };
const tidyEveryMs = 60_000;

/**
 * The engine of those who choose no store: the file of this Node-RED. Several runtimes in one process are
 * told apart by their user folder.
 */
export function engineOf(RED: NodeAPI): Engine {
  return allOf(RED).own;
}

/** What the schedules of this Node-RED did last. */
export function schedulesOf(RED: NodeAPI): ScheduleRecords {
  return allOf(RED).schedules;
}

/** Every engine that is in use, that of this Node-RED first. */
export function enginesOf(RED: NodeAPI): Engine[] {
  const { own, chosen } = allOf(RED);
  return [own, ...[...chosen.values()].map(({ engine }) => engine)];
}

/** The engine of a store node: the one that it had before the deploy, unless its settings have changed. */
export function engineOfStore(
  RED: NodeAPI,
  storeId: string,
  settings: string,
  create: (own: Engine) => Engine,
): Engine {
  const { own, chosen } = allOf(RED);
  const before = chosen.get(storeId);
  if (before?.settings === settings) return before.engine;
  const engine = create(own);
  chosen.set(storeId, { settings, engine });
  before?.engine.store.close().catch((error: Error) => warn(RED, error));
  return engine;
}

/** For a store node that is no longer there. What the store keeps stays in it. */
export async function closeEngineOfStore(RED: NodeAPI, storeId: string): Promise<void> {
  const { chosen } = allOf(RED);
  const closing = chosen.get(storeId);
  chosen.delete(storeId);
  await closing?.engine.store.close();
}

function allOf(RED: NodeAPI): Engines {
  const userFolder = RED.settings.userDir;
  const key = userFolder ?? "";
  const existing = enginesByUserFolder.get(key);
  if (existing) return existing;
  const folder = path.join(userFolder ?? makeTemporaryFolder(), "data-distribution");
  const spool = createSpool({ folder: path.join(folder, "spool"), ...spoolLimits });
  const own: Engine = {
    // Who embeds Node-RED without a folder for its user's data wants nothing kept.
    store: userFolder
      ? createSqliteStore({ file: path.join(folder, "deliveries.sqlite"), onNotice: RED.log.warn })
      : createMemoryStore(),
    spool,
    keepSource: (source) => prepareSource(source, { spool }),
  };
  const schedules = createScheduleRecords({
    ...(userFolder && { file: path.join(folder, "schedules.json") }),
    onNotice: RED.log.warn,
  });
  const engines: Engines = { own, schedules, chosen: new Map() };
  enginesByUserFolder.set(key, engines);
  const tidyTimer = setInterval(() => {
    const all = enginesOf(RED);
    for (const spool of new Set(all.map((engine) => engine.spool))) {
      const stores = all.filter((engine) => engine.spool === spool).map(({ store }) => store);
      tidy(stores, spool).catch((error: Error) => warn(RED, error));
    }
  }, tidyEveryMs);
  tidyTimer.unref();
  return engines;
}

/** A name that others can foresee is one that they can take before: https://cwe.mitre.org/data/definitions/377.html */
function makeTemporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "node-red-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Forgets old deliveries, and what only they needed of the spool, which all these stores use. */
export async function tidy(stores: readonly DeliveryStore[], spool: Spool): Promise<void> {
  for (const store of stores) await store.prune(history);
  await spool.prune(async () => {
    const needed = new Set<string>();
    for (const store of stores) await addNeeded(store, needed);
    return needed;
  });
}

/** Also of those that have ended and are still to be told of: their messages are restored from the spool. */
async function addNeeded(store: DeliveryStore, needed: Set<string>): Promise<void> {
  for (const filter of [{ states: ["waiting", "failed"] }, { announced: false }] as const) {
    let after: string | undefined;
    do {
      // Small pages: all that a page holds is read in one go, while nothing else can run.
      const page = await store.list(filter, { limit: 50, ...(after !== undefined && { after }) });
      for (const { source, message } of page.deliveries) {
        if (source.kind === "spool") needed.add(source.sha256);
        for (const { sha256 } of (message as KeptMessage).large) needed.add(sha256);
      }
      after = page.next;
    } while (after !== undefined);
  }
}

function warn(RED: NodeAPI, { message }: Error): void {
  RED.log.warn(`data distribution: ${message}`);
}
