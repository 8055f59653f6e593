import type { Knex } from "knex";

export type { Knex };

/** Writes a database's statements without being connected to one. */
export async function dialectOf(client: "better-sqlite3"): Promise<Knex> {
  const { default: knex } = await import("knex");
  return knex({ client, useNullAsDefault: true });
}

/** Connections are made as the statements need them. */
export async function connectTo(config: Knex.Config): Promise<Knex> {
  const { default: knex } = await import("knex");
  return knex(config);
}
