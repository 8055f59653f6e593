import type { Knex } from "knex";

// In a database of others, a plain name could be taken.
export const table = "data_distribution_deliveries";
export const schemaTable = "data_distribution_schema";
export const agreedTable = "data_distribution_agreed";

/** Says what a database of one kind wants to be told of every table. */
export type TableSettings = (columns: Knex.CreateTableBuilder) => void;

/**
 * One function for each version of the schema, in order; a database gets those it has not had. They are
 * never changed once they were released.
 */
export const migrations: readonly ((
  schema: Knex.SchemaBuilder,
  settings: TableSettings,
) => Knex.SchemaBuilder)[] = [
  (schema, settings) =>
    schema.createTable(table, (columns) => {
      settings(columns);
      columns.increments("arrival");
      columns.string("id", 64).notNullable().unique({ indexName: "data_distribution_ids" });
      columns.string("queue", 191).notNullable();
      columns.string("state", 16).notNullable();
      columns.bigInteger("claimable_at");
      columns.string("owner", 64);
      columns.integer("announced").notNullable();
      columns.string("once_key", 64).unique({ indexName: "data_distribution_keys" });
      columns.bigInteger("accepted_at").notNullable();
      columns.bigInteger("finished_at");
      columns.string("decided_by", 191);
      columns.integer("version").notNullable();
      columns.string("change_id", 36).notNullable();
      columns.text("draft", "longtext").notNullable();
      columns.text("progress", "longtext").notNullable();
      columns.index(["queue", "claimable_at"], "data_distribution_claimable");
      columns.index(["queue", "state"], "data_distribution_states");
      columns.index(["announced", "queue"], "data_distribution_announced");
      columns.index(["finished_at"], "data_distribution_finished");
    }),
  (schema, settings) =>
    schema
      // Nothing can be in it yet: a process was killed between its making and the note of it.
      .dropTableIfExists(agreedTable)
      .createTable(agreedTable, (columns) => {
        settings(columns);
        columns.string("name", 100).notNullable().primary();
        columns.string("agreed", 100).notNullable();
      }),
];
