import { afterAll, beforeAll } from "vitest";
import { createServerStore } from "../../src/lib";
import { describeStoreContract } from "../lib/store/contract";
import type { DatabaseServer } from "../support/database-server";
import { mariadbPath, startMariadb } from "../support/mariadb";
import { requireTool } from "../support/required";

if (requireTool("mariadb-server", mariadbPath)) {
  let server: DatabaseServer;
  beforeAll(async () => {
    server = await startMariadb();
  });
  afterAll(() => server?.stop());

  describeStoreContract({
    name: "MariaDB",
    leaseMs: 30_000,
    createStore: async ({ now }) => createServerStore(await server.createDatabase(), { now }),
  });
}
