import { DeliveryError } from "../../errors";
import type { SqlDatabase } from "./backend";
import { migrations, schemaTable } from "./schema";

/**
 * Brings the database's schema up to date.
 * @throws DeliveryError `local` for one that a newer version of this package has written
 */
export async function migrate({ knex, execute }: SqlDatabase): Promise<void> {
  const newest = () => execute(knex(schemaTable).max({ version: "version" }));
  // Not every database can ask whether a table is there in one and the same way.
  const found = await newest().catch(async () => {
    await execute(
      knex.schema.createTable(schemaTable, (columns) => {
        columns.integer("version").notNullable().primary();
      }),
    );
    return newest();
  });
  const version = Number(found.rows[0]?.version ?? 0);
  if (version > migrations.length) {
    throw new DeliveryError(
      "local",
      `The delivery store was written by a newer version of this package (schema ${version}). Install that version.`,
    );
  }
  for (const [at, migration] of migrations.slice(version).entries()) {
    await execute(migration(knex.schema), knex(schemaTable).insert({ version: version + at + 1 }));
  }
}
