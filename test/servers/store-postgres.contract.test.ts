import { afterAll, beforeAll } from "vitest";
import { createServerStore, type ServerStoreOptions } from "../../src/lib";
import { describeStoreContract } from "../lib/store/contract";
import type { DatabaseServer } from "../support/database-server";
import { postgresPath, startPostgres } from "../support/postgres";
import { requireTool } from "../support/required";

if (requireTool("postgresql", postgresPath)) {
  let server: DatabaseServer;
  let options: ServerStoreOptions;
  beforeAll(async () => {
    server = await startPostgres({ fsync: "off" });
    options = await server.createDatabase();
    const store = createServerStore(options);
    await store.counts();
    await store.close();
  });
  afterAll(() => server?.stop());

  describeStoreContract({
    name: "PostgreSQL",
    leaseMs: 30_000,
    async createStore({ now }) {
      // A new database for each case would be most of the work.
      await server.query("delete from data_distribution_deliveries", options.database);
      return createServerStore(options, { now });
    },
    openAgain: ({ now }) => createServerStore(options, { now }),
  });
}
