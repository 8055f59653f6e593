import { codeOf, DeliveryError } from "../../errors";
import { type Failure, type FailureRow, failureOf } from "../server-failure";
import { serverKinds } from "./kinds";
import type { ServerStoreOptions } from "./options";

const tooSlow = "it did not do that in time. It is busy, or something keeps its table locked";

/**
 * SQLSTATEs of PostgreSQL (https://www.postgresql.org/docs/current/errcodes-appendix.html), names of MySQL
 * and MariaDB and their client (https://mariadb.com/kb/en/mariadb-error-code-reference/), numbers and names
 * of SQL Server and its client, and Oracle's.
 */
const table: readonly FailureRow[] = [
  {
    codes: [
      "28P01",
      "28000",
      "ER_ACCESS_DENIED_ERROR",
      "ER_ACCESS_DENIED_NO_PASSWORD_ERROR",
      "ELOGIN",
      "18456",
    ],
    reason: "it refuses the login. Check user and password, and that the user may connect from this machine",
  },
  { codes: ["ORA-01017"], reason: "it refuses the login. Check user and password" },
  {
    codes: ["3D000", "ER_BAD_DB_ERROR", "4060", "ORA-12514"],
    reason: "it has no database of this name. Create it, or correct the name",
  },
  {
    codes: [
      ...["42501", "ER_DBACCESS_DENIED_ERROR", "ER_TABLEACCESS_DENIED_ERROR", "ER_COLUMNACCESS_DENIED_ERROR"],
      ...["229", "262", "2760", "ORA-01031", "ORA-01950"],
    ],
    reason: "the user lacks rights. It has to be allowed to create, read and change tables in this database",
  },
  {
    codes: ["42P01", "ER_NO_SUCH_TABLE", "208", "ORA-00942"],
    reason: "its tables were removed while it was in use. Restart this process to have them made again",
  },
  {
    codes: ["25006", "ER_OPTION_PREVENTS_STATEMENT", "ER_READ_ONLY_MODE", "3906", "ORA-16000"],
    reason: "it takes no changes, as a standby does. Name the primary server",
  },
  {
    codes: [
      "53100",
      "ER_DISK_FULL",
      "ER_RECORD_FILE_FULL",
      "ER_ENGINE_OUT_OF_MEMORY",
      "9002",
      "1105",
      "ORA-01653",
    ],
    reason: "its disk is full. Make room there",
  },
  { codes: ["57014"], reason: tooSlow },
  { codes: ["ER_LOCK_WAIT_TIMEOUT"], reason: tooSlow, passes: true },
  {
    codes: ["ER_NET_PACKET_TOO_LARGE", "ER_TOO_BIG_ROWSIZE", "54000"],
    reason:
      "a delivery is longer than it takes. Send less with the message, or raise max_allowed_packet there",
  },
  {
    codes: ["HANDSHAKE_NO_SSL_SUPPORT", "NO_TLS"],
    reason:
      "it does not offer TLS. Switch TLS on there, or choose no encryption if the network between is trusted",
  },
  {
    codes: ["53300", "ER_CON_COUNT_ERROR", "ER_TOO_MANY_USER_CONNECTIONS", "ORA-00018", "ORA-12519"],
    reason: "it takes no more connections. Raise its limit, or lower that of its users",
    passes: true,
  },
  {
    codes: [
      ...["40001", "40P01", "55P03", "ER_LOCK_DEADLOCK", "ER_CHECKREAD"],
      ...["1205", "3960", "ORA-00060", "ORA-08177"],
    ],
    reason: "others change the same rows again and again",
    passes: true,
  },
  {
    codes: [
      ...["57P01", "57P02", "57P03", "57P05", "08000", "08001", "08003", "08004", "08006"],
      ...[
        "PROTOCOL_CONNECTION_LOST",
        "PROTOCOL_SEQUENCE_TIMEOUT",
        "ER_SERVER_SHUTDOWN",
        "ER_NORMAL_SHUTDOWN",
      ],
      ...[
        "ER_CONNECTION_KILLED",
        "ER_ABORTING_CONNECTION",
        "ER_QUERY_INTERRUPTED",
        "ER_NEW_ABORTING_CONNECTION",
      ],
      ...["ESOCKET", "ECONNCLOSED", "ETIMEOUT", "EINVALIDSTATE"],
      ...["ORA-03113", "ORA-03114", "ORA-01089", "ORA-12541", "ORA-12170", "NJS-003", "NJS-500", "NJS-503"],
      "CONNECTION_LOST",
    ],
    reason: "it does not answer, or closes its connections. Check that it is running and can be reached",
    passes: true,
  },
];

/** What clients say only in words. */
const words: readonly [pattern: RegExp, code: string][] = [
  [/does not support SSL/i, "NO_TLS"],
  [/self-signed certificate|unable to (get|verify)/i, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  [/certificate has expired/i, "CERT_HAS_EXPIRED"],
  [/does not match certificate/i, "ERR_TLS_CERT_ALTNAME_INVALID"],
  [/connection terminated|connection ended|closed state|not queryable|timeout|timed out/i, "CONNECTION_LOST"],
];

/** Nothing of the statement is told: it holds what people send. */
export function classifyServerError(
  thrown: unknown,
  { kind, host, port, password }: ServerStoreOptions,
): Failure {
  if (thrown instanceof DeliveryError) return { error: thrown, passes: false };
  const where = `${serverKinds[kind].label} at ${host}:${port}`;
  const said = spokenBy(thrown, password);
  const { number } = thrown as { number?: unknown };
  const codes = [
    ...(codeOf(thrown) === undefined ? [] : [codeOf(thrown) as string]),
    ...(typeof number === "number" ? [String(number)] : []),
    ...words.filter(([pattern]) => pattern.test(said)).map(([, code]) => code),
  ];
  return failureOf(codes, { table, where, said });
}

/** Knex puts the statement, with all its values, before what the database has said. */
function spokenBy(thrown: unknown, password: string): string {
  const { message = "", sqlMessage } = (thrown ?? {}) as { message?: string; sqlMessage?: string };
  const said = sqlMessage ?? message.split(" - ").at(-1) ?? "";
  const [line = ""] = (password === "" ? said : said.replaceAll(password, "…")).split("\n");
  return line.slice(0, 200);
}
