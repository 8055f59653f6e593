import { tmpdir } from "node:os";
import path from "node:path";
import type { NodeAPI } from "node-red";
import { createMemoryStore, createSpool, createSqliteStore, type DeliveryStore, type Spool } from "../../lib";
import type { KeptMessage } from "./kept-message";

/** What outlives every deploy: nodes come and go, their deliveries and content stay. */
export interface Engine {
  readonly store: DeliveryStore;
  readonly spool: Spool;
}

const engines = new Map<string, Engine>();
/** How many ended deliveries are remembered, and for how long. */
const history = { olderThanMs: 7 * 86_400_000, keep: 1_000 };
const spoolLimits = { maxAgeMs: 7 * 86_400_000, maxBytes: 10 * 1024 ** 3 };
const tidyEveryMs = 60_000;

/** The one engine of this Node-RED. Several runtimes in one process are told apart by their user folder. */
export function engineOf(RED: NodeAPI): Engine {
  const userFolder = RED.settings.userDir;
  const key = userFolder ?? "";
  const existing = engines.get(key);
  if (existing) return existing;
  const folder = path.join(userFolder ?? path.join(tmpdir(), `node-red-${process.pid}`), "data-distribution");
  const engine: Engine = {
    // Who embeds Node-RED without a folder for its user's data wants nothing kept.
    store: userFolder
      ? createSqliteStore({ file: path.join(folder, "deliveries.sqlite"), onNotice: RED.log.warn })
      : createMemoryStore(),
    spool: createSpool({ folder: path.join(folder, "spool"), ...spoolLimits }),
  };
  engines.set(key, engine);
  const tidyTimer = setInterval(() => {
    tidy(engine).catch((error: Error) => RED.log.warn(`data distribution: ${error.message}`));
  }, tidyEveryMs);
  tidyTimer.unref();
  return engine;
}

/** Forgets old deliveries, and what only they needed of the spool. */
export async function tidy({ store, spool }: Engine): Promise<void> {
  await store.prune(history);
  await spool.prune(() => neededOf(store));
}

/** Also of those that have ended and are still to be told of: their messages are restored from the spool. */
async function neededOf(store: DeliveryStore): Promise<Set<string>> {
  const needed = new Set<string>();
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
  return needed;
}

const toStart = new WeakMap<object, Set<() => void>>();

/**
 * Calls back once the flows run: what a node sends before that is lost.
 * @returns the way to call it off
 */
export function whenFlowsStarted({ events }: Pick<NodeAPI, "events">, callback: () => void): () => void {
  const waiting = toStart.get(events) ?? new Set();
  if (!toStart.has(events)) {
    toStart.set(events, waiting);
    // One listener for all: an emitter warns of a leak when it has more than ten.
    events.on("flows:started", () => {
      const due = [...waiting];
      waiting.clear();
      for (const start of due) start();
    });
  }
  waiting.add(callback);
  return () => waiting.delete(callback);
}
