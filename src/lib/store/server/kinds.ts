import type { Knex } from "../sql/dialect";
import type { TableSettings } from "../sql/schema";
import type { ServerStoreOptions } from "./options";

/** What is different between the databases. */
interface KindOfServer {
  label: string;
  /** Of the package that speaks to it. */
  driver: string;
  client: string;
  port: number;
  connection(options: ServerStoreOptions): Knex.StaticConnectionConfig;
  /** Gives one row with `at`: the server's clock, in milliseconds since the epoch. */
  clock: string;
  /** Gives one row with `safe`: 1 when a power cut cannot take back what it has acknowledged. */
  durability?: string;
  /**
   * Statements for each new connection. What is given up here after `patienceMs` must not be done there later:
   * the caller was told that it failed.
   */
  onConnect?(patienceMs: number): string[];
  settings?: TableSettings;
}

export type ServerKind = "postgresql" | "mysql" | "sql-server" | "oracle";

export const serverKinds: Readonly<Record<ServerKind, KindOfServer>> = {
  postgresql: {
    label: "PostgreSQL",
    driver: "pg",
    client: "pg",
    port: 5432,
    connection: (options) => ({
      ...login(options),
      ssl: tls(options),
      connectionTimeoutMillis: options.connectTimeoutMs,
      keepAlive: true,
      application_name: "data-distribution",
    }),
    clock: "select extract(epoch from clock_timestamp()) * 1000 as at",
    durability:
      "select case when current_setting('fsync') = 'on' and current_setting('synchronous_commit') <> 'off' " +
      "then 1 else 0 end as safe",
    // Not among the connection's settings: poolers such as PgBouncer refuse those that they do not know.
    onConnect: (patienceMs) => [`set statement_timeout = ${Math.floor(patienceMs * 0.9)}`],
  },
  mysql: {
    label: "MySQL or MariaDB",
    driver: "mysql2",
    client: "mysql2",
    port: 3306,
    connection: (options) => {
      const ssl = tls(options);
      return {
        ...login(options),
        // Without that any certificate of a trusted authority would do, whatever its name.
        ...(ssl && { ssl: { ...ssl, verifyIdentity: options.verifyCertificate } }),
        connectTimeout: options.connectTimeoutMs,
        charset: "utf8mb4",
      };
    },
    clock: "select unix_timestamp(now(3)) * 1000 as at",
    durability: "select @@innodb_flush_log_at_trx_commit = 1 as safe",
    // What does not fit must be refused, never cut off.
    onConnect: (patienceMs) => {
      const seconds = Math.max(1, Math.floor((patienceMs * 0.9) / 1_000));
      return [
        "set session sql_mode = concat_ws(',', nullif(@@sql_mode, ''), 'STRICT_ALL_TABLES')",
        `set session innodb_lock_wait_timeout = ${seconds}, lock_wait_timeout = ${seconds}`,
      ];
    },
    settings: (columns) => {
      columns.engine("InnoDB");
      columns.charset("utf8mb4");
      // Names that differ only in case are different names.
      columns.collate("utf8mb4_bin");
    },
  },
  "sql-server": {
    label: "SQL Server",
    driver: "tedious",
    client: "mssql",
    port: 1433,
    connection: (options) => ({
      ...login(options),
      server: options.host,
      options: {
        encrypt: options.security === "tls",
        trustServerCertificate: !options.verifyCertificate,
        connectTimeout: options.connectTimeoutMs,
        ...(options.ca && { cryptoCredentialsDetails: { ca: options.ca } }),
      },
    }),
    clock: "select datediff_big(millisecond, '1970-01-01', sysutcdatetime()) as at",
  },
  oracle: {
    label: "Oracle",
    driver: "oracledb",
    client: "oracledb",
    port: 1521,
    connection: ({ user, password, host, port, database, security, verifyCertificate }) => ({
      user,
      password,
      connectString:
        `${security === "tls" ? "tcps" : "tcp"}://${host.includes(":") ? `[${host}]` : host}:${port}/${database}` +
        (verifyCertificate ? "" : "?ssl_server_dn_match=off"),
    }),
    clock: `select (cast(sys_extract_utc(systimestamp) as date) - date '1970-01-01') * 86400000 as "at" from dual`,
  },
};

function login({ host, port, user, password, database }: ServerStoreOptions) {
  return { host, port, user, password, database };
}

function tls({ security, ca, verifyCertificate }: ServerStoreOptions) {
  if (security === "none") return undefined;
  return { rejectUnauthorized: verifyCertificate, ...(ca && { ca }) };
}
