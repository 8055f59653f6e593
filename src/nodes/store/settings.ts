import {
  type BullmqStoreOptions,
  createBullmqStore,
  createMemoryStore,
  createMongoStore,
  createServerStore,
  type DeliveryStore,
  isShared,
  type MongoStoreOptions,
  readBullmqStoreOptions,
  readMongoStoreOptions,
  readOptions,
  readServerStoreOptions,
  type ServerStoreOptions,
  shareSource,
} from "../../lib";
import type { Engine } from "../shared/engine";
import { createSharedSpool, readSharedContent, type SharedContent, type SpoolContext } from "./shared-spool";

type Notify = (notice: string) => void;

interface Shared {
  content: SharedContent;
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

/** @throws DeliveryError `invalid` that lists every problem */
export function readSettings(input: object): Settings {
  const kind = readOptions("Delivery store", input, (options) => options.choice("kind", kinds, "postgresql"));
  if (kind === "memory") return { kind };
  return { ...readServer(kind, input), content: readSharedContent(input) };
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

export function createEngine(settings: Settings, context: SpoolContext & { onNotice: Notify }): Engine {
  const { own, onNotice } = context;
  if (settings.kind === "memory") return { ...own, store: createSmallMemoryStore() };
  const store = createStore(settings, onNotice);
  const spool = createSharedSpool(settings.content, store, context);
  return {
    store,
    spool,
    async keepSource(source) {
      // Where another Node-RED has told of it, this one's own spool need not have it.
      if (await isShared(source, spool)) return source;
      return shareSource(await own.keepSource(source), { from: own.spool, to: spool });
    },
    unfinishedFolder: own.unfinishedFolder,
  };
}

function createStore(
  { kind, server }: Exclude<Settings, { kind: "memory" }>,
  onNotice: Notify,
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
