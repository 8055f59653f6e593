import type { Knex } from "knex";

export const table = "deliveries";
export const schemaTable = "deliveries_schema";

/**
 * One function for each version of the schema, in order; a database gets those it has not had. They are
 * never changed once they were released.
 */
export const migrations: readonly ((schema: Knex.SchemaBuilder) => Knex.SchemaBuilder)[] = [
  (schema) =>
    schema.createTable(table, (columns) => {
      columns.increments("arrival");
      columns.string("id", 64).notNullable().unique();
      columns.string("queue", 191).notNullable();
      columns.string("state", 16).notNullable();
      columns.bigInteger("claimable_at");
      columns.string("owner", 64);
      columns.integer("announced").notNullable();
      columns.string("once_key", 64).unique();
      columns.bigInteger("accepted_at").notNullable();
      columns.bigInteger("finished_at");
      columns.string("decided_by", 191);
      columns.integer("version").notNullable();
      columns.text("draft", "longtext").notNullable();
      columns.text("progress", "longtext").notNullable();
      columns.index(["queue", "claimable_at"], "deliveries_claimable");
      columns.index(["queue", "state"], "deliveries_states");
      columns.index(["announced", "queue"], "deliveries_announced");
      columns.index(["finished_at"], "deliveries_finished");
    }),
];
