import { afterAll, beforeAll } from "vitest";
import { createServerStore } from "../../src/lib";
import { describeStoreContract } from "../lib/store/contract";
import type { DatabaseServer } from "../support/database-server";
import { postgresPath, startPostgres } from "../support/postgres";
import { requireTool } from "../support/required";

if (requireTool("postgresql", postgresPath)) {
  let server: DatabaseServer;
  beforeAll(async () => {
    // A database for each case: that is a lot to write to the disk.
    server = await startPostgres({ fsync: "off" });
  });
  afterAll(() => server?.stop());

  describeStoreContract({
    name: "PostgreSQL",
    leaseMs: 30_000,
    createStore: async ({ now }) => createServerStore(await server.createDatabase(), { now }),
  });
}
