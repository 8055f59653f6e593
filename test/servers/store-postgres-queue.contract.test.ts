import { afterAll, beforeAll } from "vitest";
import { createBullmqStore, type PostgresQueueStoreOptions } from "../../src/lib";
import { describeStoreContract } from "../lib/store/contract";
import type { DatabaseServer } from "../support/database-server";
import { postgresPath, startPostgres } from "../support/postgres";
import { requireTool } from "../support/required";

if (requireTool("postgresql", postgresPath)) {
  let server: DatabaseServer;
  let options: PostgresQueueStoreOptions;
  beforeAll(async () => {
    server = await startPostgres({ fsync: "off" });
    options = { ...(await server.createDatabase()), kind: "postgresql-queue" };
    const store = createBullmqStore(options);
    await store.counts();
    await store.close();
  });
  afterAll(() => server?.stop());

  describeStoreContract({
    name: "PostgreSQL, with queues of BullMQ",
    leaseMs: 30_000,
    async createStore({ now }) {
      // BullMQ makes a hundred tables and functions: in a new database for each case that would take minutes.
      const tables = "data_distribution_deliveries, data_distribution_queues.job";
      await server.query(`truncate ${tables} restart identity cascade`, options.database);
      return createBullmqStore(options, { now });
    },
    openAgain: ({ now }) => createBullmqStore(options, { now }),
  });
}
