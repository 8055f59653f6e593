import { stat } from "node:fs/promises";
import path from "node:path";
import {
  type BullmqStoreOptions,
  createAbsentSpool,
  createBullmqStore,
  createMemoryStore,
  createMongoStore,
  createServerStore,
  createSpool,
  DeliveryError,
  type DeliveryStore,
  type MongoStoreOptions,
  readBullmqStoreOptions,
  readMongoStoreOptions,
  readOptions,
  readServerStoreOptions,
  type ServerStoreOptions,
  type Spool,
  shareSource,
} from "../../lib";
import type { Engine } from "../shared/engine";
import type { KeepLimits } from "../shared/keep-limits";

interface Shared {
  /** A folder that all machines share. */
  spoolFolder: string | undefined;
}

export type Settings =
  | { kind: "memory" }
  | (Shared & { kind: "sql"; server: ServerStoreOptions })
  | (Shared & { kind: "bullmq"; server: BullmqStoreOptions })
  | (Shared & { kind: "mongodb"; server: MongoStoreOptions });

const kinds = [
  ...(["postgresql", "redis", "postgresql-queue", "mysql", "mongodb"] as const),
  ...(["sql-server", "oracle", "memory"] as const),
];
const absolute = { pattern: /^(\/|[a-z]:[\\/]|\\\\)/i, must: "an absolute path" };

/** @throws DeliveryError `invalid` that lists every problem */
export function readSettings(input: object): Settings {
  const kind = readOptions("Delivery store", input, (options) => options.choice("kind", kinds, "postgresql"));
  if (kind === "memory") return { kind };
  const server = readServer(kind, input);
  const spoolFolder = readOptions("Delivery store", input, (options) =>
    options.optionalString("spoolFolder", absolute),
  );
  return { ...server, spoolFolder };
}

function readServer(kind: Exclude<(typeof kinds)[number], "memory">, input: object) {
  switch (kind) {
    case "mongodb":
      return { kind, server: readMongoStoreOptions(input) } as const;
    case "redis":
    case "postgresql-queue":
      return { kind: "bullmq", server: readBullmqStoreOptions(input) } as const;
    default:
      return { kind: "sql", server: readServerStoreOptions(input) } as const;
  }
}

export interface EngineContext {
  /** That of this Node-RED, in whose spool data sources put their content. */
  own: Engine;
  limits: KeepLimits;
  onNotice: (notice: string) => void;
}

export function createEngine(settings: Settings, { own, limits, onNotice }: EngineContext): Engine {
  if (settings.kind === "memory") return { ...own, store: createSmallMemoryStore() };
  const { spoolFolder } = settings;
  const spool = spoolFolder === undefined ? createAbsentSpool() : sharedSpool(spoolFolder, limits);
  return {
    store: createStore(settings, onNotice),
    spool,
    keepSource: async (source) => shareSource(await own.keepSource(source), { from: own.spool, to: spool }),
    unfinishedFolder: own.unfinishedFolder,
  };
}

function createStore(
  { kind, server }: Exclude<Settings, { kind: "memory" }>,
  onNotice: (notice: string) => void,
): DeliveryStore {
  switch (kind) {
    case "mongodb":
      return createMongoStore(server, { onNotice });
    case "bullmq":
      return createBullmqStore(server, { onNotice });
    case "sql":
      return createServerStore(server, { onNotice });
  }
}

/** As many ended deliveries as a file bears, with their content, are too much for memory. */
const mostInMemory = 1_000;

function createSmallMemoryStore(): DeliveryStore {
  const store = createMemoryStore();
  const prune: DeliveryStore["prune"] = ({ olderThanMs, keep }) =>
    store.prune({ olderThanMs, keep: Math.min(keep, mostInMemory) });
  return { ...store, prune };
}

const sharedSpools = new Map<string, Spool>();

/** One for each folder: it is tidied by what all stores need that have their content in it. */
function sharedSpool(folder: string, limits: KeepLimits): Spool {
  const key = JSON.stringify([path.resolve(folder), limits]);
  const spool = sharedSpools.get(key) ?? createSharedSpool(folder, limits);
  sharedSpools.set(key, spool);
  return spool;
}

function createSharedSpool(folder: string, { ageMs, bytes }: KeepLimits): Spool {
  const spool = createSpool({
    folder: path.join(folder, "data-distribution"),
    maxAgeMs: ageMs,
    maxBytes: bytes,
  });
  return {
    ...spool,
    async put(stream, options) {
      // Where a share is not mounted, a folder made in its place would only be seen here.
      const found = await stat(folder).catch(() => undefined);
      if (found?.isDirectory()) return spool.put(stream, options);
      stream.on("error", () => {}).destroy();
      throw new DeliveryError(
        "local",
        `The shared folder ${folder} of the delivery store is not there. Mount it, or correct its name.`,
        { code: "ENOENT" },
      );
    },
  };
}
