import { DeliveryError } from "../../errors";
import { writtenByNewer } from "../rows";
import type { Execute, SqlDatabase } from "./backend";
import { migrations, schemaTable, table } from "./schema";

/**
 * Brings the database's schema up to date. Any number of processes may do that at the same time.
 * @throws DeliveryError `local` for one that a newer version of this package has written
 */
export async function migrate(database: SqlDatabase): Promise<void> {
  const { knex, execute, settings = () => {}, alone } = database;
  const found = refuseNewer(await findVersion(database));
  if (found === migrations.length) return;
  const missing = (version: number) =>
    migrations.slice(version).map((migration, at) => ({
      change: migration(knex.schema, settings),
      noted: knex(schemaTable).insert({ version: version + at + 1 }),
    }));
  if (!alone) {
    for (const { change, noted } of missing(found)) await execute(change, noted);
    return;
  }
  await alone(async (executeAlone) => {
    // Whoever was alone before has done it.
    const version = refuseNewer((await readVersion(database, executeAlone)) ?? 0);
    if (version === 0) await removeBeginnings(database);
    for (const { change, noted } of missing(version)) {
      // Not together: at a change of the schema many databases end the transaction, and its locks.
      await execute(change);
      await executeAlone(noted);
    }
  });
}

/** Makes the table of versions where there is none. Its row 0 is what processes wait for each other at. */
async function findVersion(database: SqlDatabase): Promise<number> {
  const { knex, execute, settings = () => {} } = database;
  // Not every database can ask whether a table is there in one and the same way.
  const version = await readVersion(database).catch(async () => {
    const create = knex.schema.createTable(schemaTable, (columns) => {
      settings(columns);
      columns.integer("version").notNullable().primary();
    });
    const failure = await failureOf(execute(create));
    // Another process may have made it meanwhile; if not, this fails for the same reason.
    return readVersion(database).catch((error: unknown) => {
      throw failure ?? error;
    });
  });
  if (version !== undefined) return version;
  const failure = await failureOf(execute(knex(schemaTable).insert({ version: 0 })));
  if (failure && (await readVersion(database)) === undefined) throw failure;
  return 0;
}

async function readVersion(
  { knex, execute }: SqlDatabase,
  executeHere: Execute = execute,
): Promise<number | undefined> {
  const { rows } = await executeHere(knex(schemaTable).max({ version: "version" }));
  const version = rows[0]?.version;
  return version === null || version === undefined ? undefined : Number(version);
}

/** Apart from the reading, whose failure means that there is no table yet. */
function refuseNewer(version: number): number {
  if (version <= migrations.length) return version;
  throw writtenByNewer(version);
}

/** Some databases cannot take back half a schema when the process that makes it is killed. */
async function removeBeginnings({ knex, execute }: SqlDatabase): Promise<void> {
  const counted = await execute(knex(table).count({ number: "*" })).catch(() => undefined);
  if (!counted) return;
  if (Number(counted.rows[0]?.number) > 0) {
    throw new DeliveryError(
      "local",
      `The database has a table ${table} already, of an unknown version. Rename it, or use another database.`,
    );
  }
  await execute(knex.schema.dropTable(table));
}

function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}
