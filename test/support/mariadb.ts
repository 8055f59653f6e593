import { join } from "node:path";
import { type DatabaseServer, startDatabaseServer } from "./database-server";

export const mariadbPath = "/usr/sbin/mariadbd";

/** Starts Debian's MariaDB. Its administrator needs no password, and can come by its socket only. */
export function startMariadb(): Promise<DatabaseServer> {
  return startDatabaseServer({
    kind: "mysql",
    systemUser: "mysql",
    shutDownSignal: "SIGTERM",
    prepare: ({ folder }) => [
      "/usr/bin/mariadb-install-db",
      ["--no-defaults", `--datadir=${join(folder, "data")}`, "--auth-root-authentication-method=normal"],
    ],
    serve: ({ folder, port, certificateFile, keyFile }) => [
      mariadbPath,
      [
        ...["--no-defaults", `--datadir=${join(folder, "data")}`, `--socket=${join(folder, "socket")}`],
        ...["--bind-address=127.0.0.1", `--port=${port}`, `--pid-file=${join(folder, "pid")}`],
        ...[`--ssl-cert=${certificateFile}`, `--ssl-key=${keyFile}`, `--ssl-ca=${join(folder, "ca.pem")}`],
      ],
    ],
    query: ({ folder }, sql, database) => [
      "/usr/bin/mariadb",
      [
        ...["--no-defaults", `--socket=${join(folder, "socket")}`, "--user=root", "--batch"],
        ...["--skip-column-names", "--execute", sql],
        ...(database === undefined ? [] : [database]),
      ],
    ],
    createUser: (user, password) => [
      `create user '${user}'@'127.0.0.1' identified by '${password.replaceAll("'", "''")}'`,
    ],
    createDatabase: (name, user) => [
      `create database ${name}`,
      `grant all on ${name}.* to '${user}'@'127.0.0.1'`,
    ],
  });
}
