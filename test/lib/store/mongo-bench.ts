import { afterEach, beforeEach, expect } from "vitest";
import {
  createMongoStore,
  type DeliveryError,
  type DeliveryStore,
  type MongoStoreOptions,
  readMongoStoreOptions,
} from "../../../src/lib";
import {
  type Mishap,
  type MongoServer,
  type MongoServerSettings,
  startMongoServer,
} from "../../support/mongo-server";

// With all that has a meaning in an address.
const user = "deli,very=1";
export const password = "p+%w0&r)d /'@:#";
export const database = "deliveries";
export const collection = "data_distribution_deliveries";

export interface MongoBench {
  server: MongoServer;
  readonly notices: string[];
  restart(settings: MongoServerSettings): Promise<void>;
  /** What is opened here is closed after the test. */
  open(changes?: Partial<MongoStoreOptions>): DeliveryStore;
  /** Goes wrong at the next so many commands of this name. Gives how many of them are still to come. */
  strike(name: string, mishap: Mishap, times?: number): () => number;
}

/** A server for each test, that wants a login. */
export function useMongoServer(): MongoBench {
  const stores: DeliveryStore[] = [];
  const bench: MongoBench = {
    server: undefined as never,
    notices: [],
    async restart(settings) {
      await bench.server?.stop();
      bench.server = await startMongoServer({ user, password, ...settings });
    },
    open(changes) {
      const { port } = bench.server;
      const options = { host: "127.0.0.1", port, database, user, password, security: "none" };
      // A short lease makes for short patience.
      const store = createMongoStore(
        { ...readMongoStoreOptions(options), leaseMs: 12_000, ...changes },
        { onNotice: (notice) => bench.notices.push(notice) },
      );
      stores.push(store);
      return store;
    },
    strike(name, mishap, times = 1) {
      let left = times;
      bench.server.hook = (command) => (command === name && left-- > 0 ? mishap : undefined);
      return () => Math.max(0, left);
    },
  };
  beforeEach(() => bench.restart({}));
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await bench.server.stop();
    bench.notices.splice(0);
  });
  return bench;
}

export async function problemOf(work: Promise<unknown>, secret = password): Promise<string> {
  const error = (await work.then(
    () => expect.fail("It worked."),
    (thrown: unknown) => thrown,
  )) as DeliveryError;
  expect(error.kind).toBe("local");
  expect(`${error.message}\n${error.stack}\n${error.cause}`).not.toContain(secret);
  return error.message;
}
