import { postgresPath, startPostgres } from "../support/postgres";
import { requireTool } from "../support/required";
import { describeStoreProcesses } from "./store-processes";

if (requireTool("postgresql", postgresPath)) {
  describeStoreProcesses("PostgreSQL", startPostgres);
}
