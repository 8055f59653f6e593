import type { DeliveryStore } from "../delivery-store";
import { createLazyBackend } from "../lazy-backend";
import { createLeaseStore } from "../lease-store";
import { lookEveryMs, type ServerStoreContext } from "../server-access";
import { checkClock, whileClocksAgree } from "../server-clock";
import { createMongoBackend } from "./backend";
import { openMongoDatabase, prepare } from "./database";
import { whereIs } from "./errors";
import type { MongoStoreOptions } from "./options";

/**
 * Keeps deliveries in MongoDB, for any number of processes that share the work, as `createServerStore` does
 * in SQL. What is acknowledged is in the journals of most members of the replica set. The database is
 * reached at the first use; while it cannot be reached, methods throw `local`.
 */
export function createMongoStore(
  options: MongoStoreOptions,
  { now, onNotice = () => {} }: ServerStoreContext = {},
): DeliveryStore {
  const { leaseMs } = options;
  const backend = createLazyBackend(async () => {
    const database = await openMongoDatabase(options);
    try {
      const check = (notify: (notice: string) => void) =>
        checkClock(database.readClock, { server: `MongoDB at ${whereIs(options)}`, leaseMs }, notify);
      await check(onNotice);
      await prepare(database);
      return whileClocksAgree(createMongoBackend(database), () => check(() => {}));
    } catch (error) {
      await database.close();
      throw error;
    }
  });
  return createLeaseStore(backend, { ...(now && { now }), leaseMs, lookEveryMs });
}
