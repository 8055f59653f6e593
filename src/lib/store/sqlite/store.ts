import type { DeliveryStore } from "../delivery-store";
import { createLazyBackend } from "../lazy-backend";
import { createLeaseStore } from "../lease-store";
import { createSqlBackend } from "../sql/backend";
import { dialectOf } from "../sql/dialect";
import { migrate } from "../sql/migrate";
import { table } from "../sql/schema";
import { openSqliteDatabase, type SqliteFileOptions } from "./database";

export interface SqliteStoreOptions extends SqliteFileOptions {
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/**
 * Keeps deliveries in a SQLite file: they survive everything that the disk survives. One process uses it
 * at a time. The file is opened at the first use; a fault of the disk makes methods throw `local` for as
 * long as it lasts.
 */
export function createSqliteStore({ now, ...options }: SqliteStoreOptions): DeliveryStore {
  const backend = createLazyBackend(async () => {
    const knex = await dialectOf("better-sqlite3");
    const database = openSqliteDatabase(knex, options, migrate);
    try {
      // Nobody else can be at work: what was being sent when the last process ended is free at once.
      await database.execute(knex(table).where({ state: "sending" }).update({ claimable_at: 0 }));
    } catch (error) {
      await database.close();
      throw error;
    }
    return createSqlBackend(database);
  });
  return createLeaseStore(backend, { ...(now && { now }), leaseMs: Infinity });
}
