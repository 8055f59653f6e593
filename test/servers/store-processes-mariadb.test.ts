import { mariadbPath, startMariadb } from "../support/mariadb";
import { requireTool } from "../support/required";
import { describeStoreProcesses } from "./store-processes";

if (requireTool("mariadb-server", mariadbPath)) {
  describeStoreProcesses("MariaDB", startMariadb);
}
