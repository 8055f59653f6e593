import { setTimeout as sleep } from "node:timers/promises";
import { DeliveryError } from "../../errors";
import { patienceMsOf } from "../server-access";
import { createPatience } from "../server-failure";
import type { Execute, SqlDatabase, StatementResult } from "../sql/backend";
import { connectTo, type Knex } from "../sql/dialect";
import { schemaTable } from "../sql/schema";
import { classifyServerError } from "./errors";
import { serverKinds } from "./kinds";
import type { ServerStoreOptions } from "./options";

const closeWithinMs = 5_000;

/**
 * A server's database, with connections of its own. They are made when they are needed.
 * @throws DeliveryError `local` when the package that speaks to the server is not installed
 */
export async function openServerDatabase(options: ServerStoreOptions): Promise<SqlDatabase> {
  const knex = await connect(options);
  const { settings } = serverKinds[options.kind];
  const patienceMs = patienceMsOf(options);
  const { patiently, end } = createPatience(patienceMs, (thrown) => classifyServerError(thrown, options));
  let closed = false;

  const executeOn =
    (transaction?: Knex.Transaction): Execute =>
    async (...statements) => {
      let result: unknown;
      for (const statement of statements) {
        // A builder works once; its copy knows nothing of the first try.
        const copy = (statement as Knex.QueryBuilder).clone?.() ?? statement;
        if (transaction) copy.transacting(transaction);
        result = await withTimeout(copy as Knex.QueryBuilder, patienceMs);
      }
      return resultOf(result);
    };

  const execute: Execute = (...statements) =>
    patiently(() => {
      if (closed) throw new DeliveryError("local", "The delivery store was closed.");
      // One by itself is all or nothing anyway.
      if (statements.length === 1) return executeOn()(...statements);
      return knex.transaction((transaction) => executeOn(transaction)(...statements));
    });

  return {
    knex,
    execute,
    ...(settings && { settings }),
    alone: (work) =>
      patiently(() =>
        knex.transaction(async (transaction) => {
          const here = executeOn(transaction);
          await here(knex(schemaTable).where({ version: 0 }).update({ version: 0 }));
          await work(here);
        }),
      ),
    async close() {
      closed = true;
      end();
      // A server that has gone silent does not say goodbye either.
      await Promise.race([knex.destroy(), sleep(closeWithinMs, undefined, { ref: false })]);
    },
  };
}

async function connect(options: ServerStoreOptions): Promise<Knex> {
  const { client, driver, label, connection, onConnect } = serverKinds[options.kind];
  const silent = () => {};
  try {
    return await connectTo({
      client,
      connection: connection(options),
      acquireConnectionTimeout: options.connectTimeoutMs + 1_000,
      pool: {
        // What is not used is closed, and a server that was restarted is no matter.
        min: 0,
        max: options.maxConnections,
        idleTimeoutMillis: 30_000,
        createTimeoutMillis: options.connectTimeoutMs,
        ...(onConnect && { afterCreate: runEach(onConnect(patienceMsOf(options))) }),
      },
      // It would write to the console, with all that statements hold.
      log: { warn: silent, error: silent, deprecate: silent, debug: silent },
      ...(options.kind === "oracle" && { fetchAsString: ["clob"] }),
    });
  } catch (cause) {
    throw new DeliveryError(
      "local",
      `A delivery store on ${label} needs the package ${driver}. ` +
        `Run "npm install ${driver}" in the folder where this package is installed, and restart.`,
      { code: "MODULE_NOT_FOUND", cause },
    );
  }
}

type Ready = (error: unknown, connection: unknown) => void;

function runEach(statements: readonly string[]) {
  return (connection: { query(sql: string, done: (error: unknown) => void): void }, ready: Ready) => {
    const next = ([sql, ...rest]: readonly string[]): void => {
      if (sql === undefined) ready(null, connection);
      else connection.query(sql, (error) => (error ? ready(error, connection) : next(rest)));
    };
    next(statements);
  };
}

async function withTimeout(statement: Knex.QueryBuilder, timeoutMs: number): Promise<unknown> {
  // Changes of the schema know no time-out: they wait for others, but work on small tables.
  return typeof statement.timeout === "function" ? await statement.timeout(timeoutMs) : await statement;
}

/** Knex gives rows for what reads, and a number for what updates or deletes. */
function resultOf(result: unknown): StatementResult {
  return {
    rows: Array.isArray(result) ? result : [],
    changes: typeof result === "number" ? result : 0,
  };
}
