import { DeliveryError } from "../../errors";
import type { DeliveryStore } from "../delivery-store";
import { createLazyBackend } from "../lazy-backend";
import { createLeaseStore } from "../lease-store";
import { createSqlBackend, type SqlDatabase } from "../sql/backend";
import { migrate } from "../sql/migrate";
import { openServerDatabase } from "./database";
import { serverKinds } from "./kinds";
import type { ServerStoreOptions } from "./options";

export interface ServerStoreContext {
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Told of what an operator should know, in sentences. */
  onNotice?: (notice: string) => void;
}

/** Other processes put work into the store, and leave it behind. */
const lookEveryMs = 2_000;
/** Beyond this, times look odd to people; leases bear much more. */
const noticedSkewMs = 2_000;

/**
 * Keeps deliveries in a database server, for any number of processes that share the work: each delivery is
 * with one of them, and goes to another one when nothing is heard of it for `leaseMs`. The clocks of their
 * machines have to agree to within half of that; each is compared with the server's at the first use.
 * The database is reached and its tables are made at the first use; while it cannot be reached, methods
 * throw `local`.
 */
export function createServerStore(
  options: ServerStoreOptions,
  { now, onNotice = () => {} }: ServerStoreContext = {},
): DeliveryStore {
  const backend = createLazyBackend(async () => {
    const database = await openServerDatabase(options);
    try {
      await checkClock(database, options, onNotice);
      await checkDurability(database, options, onNotice);
      await migrate(database);
    } catch (error) {
      await database.close();
      throw error;
    }
    return createSqlBackend(database);
  });
  const { leaseMs } = options;
  return createLeaseStore(backend, { ...(now && { now }), leaseMs, lookEveryMs });
}

async function checkClock(
  database: SqlDatabase,
  options: ServerStoreOptions,
  notify: (notice: string) => void,
): Promise<void> {
  const { label, clock } = serverKinds[options.kind];
  // The first one makes the connection, which takes its time.
  await readNumber(database, clock, "at");
  const askedAt = Date.now();
  const serverMs = await readNumber(database, clock, "at");
  const skewMs = (askedAt + Date.now()) / 2 - serverMs;
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  const sentence =
    `This machine's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} that of ${label} at ` +
    `${options.host}. Have all machines take their time from the network (NTP).`;
  if (Math.abs(skewMs) > options.leaseMs / 2) {
    throw new DeliveryError(
      "local",
      `${sentence} Until then the store is not used: machines would take each other's work.`,
    );
  }
  if (Math.abs(skewMs) > noticedSkewMs) notify(sentence);
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
