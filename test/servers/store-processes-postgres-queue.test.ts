import { postgresPath, startPostgres } from "../support/postgres";
import { requireTool } from "../support/required";
import { describeStoreProcesses } from "./store-processes";

if (requireTool("postgresql", postgresPath)) {
  const hasQueues = true;
  const start = async () => {
    const server = await startPostgres();
    const createDatabase = async () => ({
      ...(await server.createDatabase()),
      kind: "postgresql-queue" as const,
    });
    return { ...server, createDatabase };
  };
  describeStoreProcesses("PostgreSQL with queues", start, hasQueues);
}
