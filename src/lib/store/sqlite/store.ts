import type { DeliveryStore } from "../delivery-store";
import { createLazyBackend } from "../lazy-backend";
import { createLeaseStore } from "../lease-store";
import { createSqlBackend } from "../sql/backend";
import { dialectOf } from "../sql/dialect";
import { migrate } from "../sql/migrate";
import { openSqliteDatabase, type SqliteFileOptions } from "./database";
import { createHeldClaims } from "./held-claims";

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
  const claims = createHeldClaims();
  const backend = createLazyBackend(async () => {
    const knex = await dialectOf("better-sqlite3");
    const database = openSqliteDatabase(knex, options, async (opened) => {
      await migrate(opened);
      await claims.freeOthers(opened);
    });
    return claims.watch(createSqlBackend(database));
  });
  return createLeaseStore(backend, { ...(now && { now }), leaseMs: Infinity });
}
