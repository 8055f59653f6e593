import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type DatabaseServer, startDatabaseServer } from "./database-server";

/** Debian keeps the programs of each version in a folder of their own. */
const versions = "/usr/lib/postgresql";
const newest = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a))[0] : "";
const programs = join(versions, newest ?? "", "bin");

export const postgresPath = join(programs, "postgres");

/**
 * Starts Debian's PostgreSQL. Passwords go over TCP only; who shares this machine's user needs none.
 * @param settings more lines of postgresql.conf
 */
export function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<DatabaseServer> {
  return startDatabaseServer({
    kind: "postgresql",
    systemUser: "postgres",
    shutDownSignal: "SIGINT",
    prepare: ({ folder }) => [
      join(programs, "initdb"),
      [
        ...["--pgdata", join(folder, "data"), "--username", "admin", "--encoding", "UTF8", "--locale", "C"],
        ...["--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync"],
      ],
    ],
    serve: ({ folder, port, certificateFile, keyFile }) => [
      postgresPath,
      [
        ...["-D", join(folder, "data"), "-h", "127.0.0.1", "-p", String(port), "-k", folder],
        ...["-c", "ssl=on", "-c", `ssl_cert_file=${certificateFile}`, "-c", `ssl_key_file=${keyFile}`],
        ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      ],
    ],
    query: ({ folder, port }, sql, database = "postgres") => [
      join(programs, "psql"),
      [...["-h", folder, "-p", String(port), "-U", "admin", "-d", database], "-XAtc", sql],
    ],
    createUser: (user, password) => [`create user ${user} password '${password.replaceAll("'", "''")}'`],
    createDatabase: (name, user) => [`create database ${name} owner ${user} template template0`],
  });
}
