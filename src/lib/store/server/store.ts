import type { StoreBackend } from "../backend";
import type { DeliveryStore } from "../delivery-store";
import { createLazyBackend } from "../lazy-backend";
import { createLeaseStore } from "../lease-store";
import { lookEveryMs, type ServerStoreContext } from "../server-access";
import { checkClock, whileClocksAgree } from "../server-clock";
import { createSqlBackend, type SqlDatabase } from "../sql/backend";
import { migrate } from "../sql/migrate";
import { openServerDatabase } from "./database";
import { serverKinds } from "./kinds";
import type { ServerStoreOptions } from "./options";

/**
 * Keeps deliveries in a database server, for any number of processes that share the work: each delivery is
 * with one of them, and goes to another one when nothing is heard of it for `leaseMs`. The clocks of their
 * machines have to agree to within half of that, and 20 s; each is compared with the server's at the first
 * use and every five minutes.
 * The database is reached and its tables are made at the first use; while it cannot be reached, methods
 * throw `local`.
 */
export function createServerStore(
  options: ServerStoreOptions,
  { now, onNotice = () => {} }: ServerStoreContext = {},
): DeliveryStore {
  const backend = createLazyBackend(() => openServerBackend(options, onNotice));
  const { leaseMs } = options;
  return createLeaseStore(backend, { ...(now && { now }), leaseMs, lookEveryMs });
}

/** @throws DeliveryError `local` when the database cannot be reached or used */
export async function openServerBackend(
  options: ServerStoreOptions,
  onNotice: (notice: string) => void,
): Promise<StoreBackend> {
  const database = await openServerDatabase(options);
  try {
    const { label, clock } = serverKinds[options.kind];
    const server = `${label} at ${options.host}`;
    const check = (notify: (notice: string) => void) =>
      checkClock(() => readNumber(database, clock, "at"), { server, leaseMs: options.leaseMs }, notify);
    await check(onNotice);
    await checkDurability(database, options, onNotice);
    await migrate(database);
    return whileClocksAgree(createSqlBackend(database), () => check(() => {}));
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function checkDurability(
  database: SqlDatabase,
  options: ServerStoreOptions,
  notify: (notice: string) => void,
): Promise<void> {
  const { label, durability } = serverKinds[options.kind];
  if (!durability || (await readNumber(database, durability, "safe")) === 1) return;
  notify(
    `${label} at ${options.host} acknowledges what a power cut can take back. For deliveries that must not ` +
      "be lost set fsync and synchronous_commit (PostgreSQL) or innodb_flush_log_at_trx_commit=1 (MySQL).",
  );
}

async function readNumber({ knex, execute }: SqlDatabase, sql: string, name: string): Promise<number> {
  const { rows } = await execute(knex.select("*").from(knex.raw(`(${sql}) answer`)));
  return Number(rows[0]?.[name]);
}
