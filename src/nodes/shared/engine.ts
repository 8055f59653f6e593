import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeAPI } from "node-red";
import {
  createMemoryStore,
  createScheduleRecords,
  createSpool,
  createSqliteStore,
  DeliveryError,
  type DeliveryStore,
  hasEnded,
  prepareSource,
  type ScheduleRecords,
  type SourceSpec,
  type Spool,
  toDeliveryError,
} from "../../lib";
import { type KeepLimits, readKeepLimits } from "./keep-limits";
import type { KeptMessage } from "./kept-message";
import { createSayOnce } from "./say-once";
import { createSeals, readSealedFolders, type Seals } from "./seals";

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
  /**
   * A folder of this machine where writers note what a failed attempt has left for the next one. Without it
   * a failed attempt leaves nothing.
   */
  readonly unfinishedFolder?: string | undefined;
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
  readonly seals: Seals;
  readonly limits: KeepLimits;
  /** By the id of the store node. */
  readonly chosen: Map<string, Chosen>;
}

const enginesByUserFolder = new Map<string, Engines>();
const forgetEveryMs = 60_000;
/** That looks at every delivery there is. */
const cleanSpoolsEveryMs = 600_000;

/**
 * The engine of those who choose no store: the file of this Node-RED. Several runtimes in one process are
 * told apart by their user folder.
 */
export function engineOf(RED: NodeAPI): Engine {
  return allOf(RED).own;
}

/** By which the files that this Node-RED's data source nodes have chosen are known. */
export function sealsOf(RED: NodeAPI): Seals {
  return allOf(RED).seals;
}

/** What the schedules of this Node-RED did last. */
export function schedulesOf(RED: NodeAPI): ScheduleRecords {
  return allOf(RED).schedules;
}

/** How long what has ended is kept. */
export function limitsOf(RED: NodeAPI): KeepLimits {
  return allOf(RED).limits;
}

/** Every engine that is in use, that of this Node-RED first. */
export function enginesOf(RED: NodeAPI): Engine[] {
  const { own, chosen } = allOf(RED);
  return [own, ...[...chosen.values()].map(({ engine }) => engine)];
}

/** That of the store node with this id, if it has one. */
export function engineChosen(RED: NodeAPI, storeId: string): Engine | undefined {
  return allOf(RED).chosen.get(storeId)?.engine;
}

export const unknownDelivery = "UNKNOWN_DELIVERY";

/**
 * The one in whose store a delivery is.
 * @throws DeliveryError when none has it, or one that might have it cannot be asked
 */
export async function holderOf(engines: readonly Engine[], id: string): Promise<Engine> {
  const message = "This delivery is not known here (any more), so nothing can be done with it.";
  const unknown = new DeliveryError("invalid", message, { code: unknownDelivery });
  const ask = async (engine: Engine) => {
    if (await engine.store.get(id)) return engine;
    throw unknown;
  };
  try {
    // A server that does not answer is no reason to wait where another store has it.
    return await Promise.any(engines.map(ask));
  } catch (error) {
    throw (error as AggregateError).errors.find((one) => one !== unknown) ?? unknown;
  }
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
  if (before) closeStore(RED, before.engine).catch((error: Error) => warn(RED, error));
  return engine;
}

/** For a store node that is no longer there. What the store keeps stays in it. */
export async function closeEngineOfStore(RED: NodeAPI, storeId: string): Promise<void> {
  const { chosen } = allOf(RED);
  const closing = chosen.get(storeId);
  chosen.delete(storeId);
  if (closing) await closeStore(RED, closing.engine);
}

async function closeStore(RED: NodeAPI, { store }: Engine): Promise<void> {
  if (store.lookEveryMs === undefined) {
    const { queued, sending, waiting } = await store.counts();
    const lost = queued + sending + waiting;
    if (lost > 0)
      warn(RED, { message: `The store in memory is gone, and ${lost} unfinished deliveries with it.` });
  }
  await store.close();
}

function allOf(RED: NodeAPI): Engines {
  const userFolder = RED.settings.userDir;
  const key = userFolder ?? "";
  const existing = enginesByUserFolder.get(key);
  if (existing) return existing;
  const folder = path.join(userFolder ?? makeTemporaryFolder(), "data-distribution");
  const limits = readKeepLimits(RED);
  const spool = createSpool({
    folder: path.join(folder, "spool"),
    maxAgeMs: limits.ageMs,
    maxBytes: limits.bytes,
  });
  const own: Engine = {
    // Who embeds Node-RED without a folder for its user's data wants nothing kept.
    store: userFolder
      ? createSqliteStore({ file: path.join(folder, "deliveries.sqlite"), onNotice: RED.log.warn })
      : createMemoryStore(),
    spool,
    keepSource: (source) => prepareSource(source, { spool }),
    unfinishedFolder: userFolder && path.join(folder, "unfinished"),
  };
  const schedules = createScheduleRecords({
    ...(userFolder && { file: path.join(folder, "schedules.json") }),
    onNotice: RED.log.warn,
  });
  const seals = createSeals({
    keyFile: userFolder && path.join(folder, "files.key"),
    folders: foldersOf(RED),
  });
  const engines: Engines = { own, schedules, seals, limits, chosen: new Map() };
  enginesByUserFolder.set(key, engines);
  repeat(RED, forgetEveryMs, () => forgetOld(enginesOf(RED), limits));
  repeat(RED, cleanSpoolsEveryMs, () => cleanSpools(enginesOf(RED)));
  return engines;
}

function foldersOf({ settings, log }: NodeAPI): string[] {
  try {
    return readSealedFolders(settings);
  } catch (error) {
    log.error(`data distribution: ${toDeliveryError(error).message} Until it is mended none is allowed.`);
    return [];
  }
}

/** What goes wrong is said once, until it went well again. */
function repeat(RED: NodeAPI, everyMs: number, work: () => Promise<void>): void {
  const problems = createSayOnce((sentence) => warn(RED, { message: sentence }));
  const run = () =>
    work().then(
      () => problems.forget(),
      ({ message }: Error) => problems.say(message),
    );
  setInterval(run, everyMs).unref();
}

/** A name that others can foresee is one that they can take before: https://cwe.mitre.org/data/definitions/377.html */
function makeTemporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "node-red-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Forgets deliveries that ended long ago. */
export async function forgetOld(
  engines: readonly Engine[],
  { ageMs, deliveries }: KeepLimits,
): Promise<void> {
  await withEach(engines, ({ store }) => store.prune({ olderThanMs: ageMs, keep: deliveries }));
}

/** Removes what no delivery needs any more. Some stores have their content in the same spool. */
export async function cleanSpools(engines: readonly Pick<Engine, "store" | "spool">[]): Promise<void> {
  await withEach(new Set(engines.map((engine) => engine.spool)), (spool) =>
    spool.prune(async () => {
      const needed = new Map<string, number>();
      for (const engine of engines) if (engine.spool === spool) await addNeeded(engine.store, needed);
      return needed;
    }),
  );
}

/** One after the other. What goes wrong with one of them is thrown when all others are done. */
async function withEach<Part>(parts: Iterable<Part>, work: (part: Part) => Promise<unknown>): Promise<void> {
  const failures: unknown[] = [];
  for (const part of parts) await work(part).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

/** Of what has ended and was told of, the content is there to be sent again, as long as there is room. */
async function addNeeded(store: DeliveryStore, needed: Map<string, number>): Promise<void> {
  let after: string | undefined;
  do {
    const startedMs = performance.now();
    // Small pages: what a store's thread or server answers comes in one go, while nothing else can run.
    const page = await store.list({}, { limit: 10, ...(after !== undefined && { after }) });
    // As long again: nobody waits for this, and from who always works a busy machine takes its cores away.
    await sleep(performance.now() - startedMs);
    for (const delivery of page.deliveries) {
      const { source, message, state, announced, finishedAt = Infinity } = delivery;
      const last = hasEnded(state) && announced ? finishedAt : Infinity;
      const large = (message as KeptMessage | undefined)?.large ?? [];
      for (const { sha256 } of [...(source.kind === "spool" ? [source] : []), ...large]) {
        needed.set(sha256, Math.max(last, needed.get(sha256) ?? 0));
      }
    }
    after = page.next;
  } while (after !== undefined);
}

function warn(RED: NodeAPI, { message }: { message: string }): void {
  RED.log.warn(`data distribution: ${message}`);
}
