import { stat } from "node:fs/promises";
import path from "node:path";
import {
  createAbsentSpool,
  createMemoryStore,
  createServerStore,
  createSpool,
  DeliveryError,
  readOptions,
  readServerStoreOptions,
  type ServerStoreOptions,
  type Spool,
  shareSource,
} from "../../lib";
import { type Engine, spoolLimits } from "../shared/engine";

export type Settings =
  | { kind: "memory" }
  | {
      kind: "server";
      server: ServerStoreOptions;
      /** A folder that all machines share. */
      spoolFolder: string | undefined;
    };

const kinds = ["postgresql", "mysql", "sql-server", "oracle", "memory"] as const;
const absolute = { pattern: /^(\/|[a-z]:[\\/]|\\\\)/i, must: "an absolute path" };

/** @throws DeliveryError `invalid` that lists every problem */
export function readSettings(input: object): Settings {
  const kind = readOptions("Delivery store", input, (options) => options.choice("kind", kinds, "postgresql"));
  if (kind === "memory") return { kind };
  const server = readServerStoreOptions(input);
  const spoolFolder = readOptions("Delivery store", input, (options) =>
    options.optionalString("spoolFolder", absolute),
  );
  return { kind: "server", server, spoolFolder };
}

/** @param own that of this Node-RED, in whose spool data sources put their content */
export function createEngine(settings: Settings, own: Engine, onNotice: (notice: string) => void): Engine {
  if (settings.kind === "memory") return { ...own, store: createMemoryStore() };
  const { server, spoolFolder } = settings;
  const spool = spoolFolder === undefined ? createAbsentSpool() : createSharedSpool(spoolFolder);
  return {
    store: createServerStore(server, { onNotice }),
    spool,
    keepSource: async (source) => shareSource(await own.keepSource(source), { from: own.spool, to: spool }),
  };
}

function createSharedSpool(folder: string): Spool {
  const spool = createSpool({ folder: path.join(folder, "data-distribution"), ...spoolLimits });
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
