import { codeOf, DeliveryError } from "../../errors";
import { type Failure, type FailureRow, failureOf } from "../server-failure";
import type { MongoStoreOptions } from "./options";

/**
 * The server's codes (https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml), the
 * client's names for what it finds itself, and a few words of this file.
 */
const table: readonly FailureRow[] = [
  {
    codes: ["18", "8000", "11"],
    reason:
      "it refuses the login. Check user, password and the database that knows the user, " +
      "and that the user may connect from this machine",
  },
  {
    codes: ["13"],
    reason:
      "the user lacks rights. It has to have the role readWrite in this database (and a user, if none is given)",
  },
  {
    codes: ["14031", "39"],
    reason: "its disk is full. Make room there",
  },
  {
    codes: ["10334", "17280", "17419", "TOO_LARGE"],
    reason: "a delivery is longer than the 16 MB that it takes. Send less with the message",
  },
  {
    codes: ["73", "48", "MongoInvalidArgumentError"],
    reason: "it does not take the name of the database. Choose another one",
  },
  {
    codes: ["85", "86", "67", "197"],
    reason:
      "its collections have other indexes than they should. Use another database, or drop the indexes of " +
      "data_distribution_deliveries there",
  },
  {
    codes: ["MongoCompatibilityError", "59", "NOT_A_SERVER"],
    reason:
      "it does not fit the package mongodb that is installed here. Install another version of the package, " +
      "or of the server",
  },
  {
    codes: ["MongoMissingDependencyError"],
    reason: "the way of logging in that it asks for needs more than the package mongodb. Choose SCRAM there",
  },
  {
    codes: ["2", "72", "NO_JOURNAL"],
    reason: "it does not do what keeping deliveries needs. It has to be MongoDB 4.2 or newer, with a journal",
  },
  {
    codes: ["64", "79", "100"],
    reason:
      "too few members of the replica set confirm that they keep what they are given. See that most are running",
    passes: true,
  },
  {
    codes: ["10107", "13435", "13436", "10058", "189", "11602", "133", "216", "NO_PRIMARY"],
    reason:
      "it has no primary that takes changes. See that most members of the replica set are running, and " +
      "that the server names the whole set and not a single secondary",
    passes: true,
  },
  {
    codes: ["11000", "112", "251", "24", "46"],
    reason: "others change the same deliveries again and again",
    passes: true,
  },
  {
    codes: ["MongoWaitQueueTimeoutError"],
    reason: "all connections to it are busy. Allow more, or give it less to do",
    passes: true,
  },
  {
    codes: [
      ...["6", "7", "89", "91", "11600", "50", "262", "202", "9001", "317", "43", "175", "AGAIN"],
      ...["MongoNetworkError", "MongoNetworkTimeoutError", "MongoPoolClearedError"],
      ...["MongoPoolClosedError", "PoolClearedOnNetworkError", "MongoServerSelectionError"],
      ...["MongoTopologyClosedError", "MongoNotConnectedError", "MongoClientClosedError"],
      ...["MongoExpiredSessionError", "MongoOperationTimeoutError", "MongoServerClosedError"],
    ],
    reason: "it does not answer, or closes its connections. Check that it is running and can be reached",
    passes: true,
  },
];

/** What comes only in words. */
const words: readonly [pattern: RegExp, code: string][] = [
  [/larger than the maximum|BSONObj size|offset is out of range|out of bounds/i, "TOO_LARGE"],
  [/when a host does not have journaling/i, "NO_JOURNAL"],
  [/self-signed certificate|unable to (get|verify)/i, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  [/certificate has expired/i, "CERT_HAS_EXPIRED"],
  [/does not match certificate/i, "ERR_TLS_CERT_ALTNAME_INVALID"],
  [/Invalid message size|unexpected opcode/i, "NOT_A_SERVER"],
];

/** Nothing of the statement is told: it holds what people send. */
export function classifyMongoError(thrown: unknown, options: MongoStoreOptions): Failure {
  if (thrown instanceof DeliveryError) return { error: thrown, passes: false };
  const errors = [...errorsIn(thrown)];
  const said = errors.map(({ message }) => message).join("\n");
  const codes = [
    ...errors.flatMap((error) => codeOf(error) ?? []),
    ...words.filter(([pattern]) => pattern.test(said)).map(([, code]) => code),
    ...(lacksPrimary(thrown) && errors.length === 1 ? ["NO_PRIMARY"] : []),
    ...errors.map(({ name }) => name),
    ...(errors.some(isRetryable) ? ["AGAIN"] : []),
  ].filter((code) => code !== "Error");
  const where = `MongoDB at ${whereIs(options)}`;
  return failureOf(codes, { table, where, said: firstLine(errors[0]?.message ?? "", options.password) });
}

export function isDuplicate(thrown: unknown): boolean {
  return codeOf(thrown) === "11000";
}

export function whereIs({ host, port, srv }: MongoStoreOptions): string {
  return srv ? host : `${host}:${port}`;
}

/** The error, what it was caused by, and what was found at each server of which none would do. */
function* errorsIn(thrown: unknown, depth = 0): Generator<Error> {
  if (!(thrown instanceof Error) || depth > 4) return;
  yield thrown;
  yield* errorsIn(thrown.cause, depth + 1);
  const { servers } = ((thrown as { reason?: unknown }).reason ?? {}) as { servers?: unknown };
  if (!(servers instanceof Map)) return;
  for (const { error } of servers.values()) yield* errorsIn(error, depth + 1);
}

function lacksPrimary(thrown: unknown): boolean {
  const { reason } = thrown as { reason?: { type?: unknown } };
  return reason?.type === "ReplicaSetNoPrimary";
}

function isRetryable(error: Error & { hasErrorLabel?(label: string): boolean }): boolean {
  return error.hasErrorLabel?.("RetryableWriteError") ?? false;
}

function firstLine(said: string, password: string): string {
  const [line = ""] = (password === "" ? said : said.replaceAll(password, "…")).split("\n");
  return line.slice(0, 200);
}
