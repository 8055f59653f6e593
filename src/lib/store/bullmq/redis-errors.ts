import { codeOf, DeliveryError, reworded } from "../../errors";
import { type Failure, type FailureRow, failureOf } from "../server-failure";
import type { RedisStoreOptions } from "./options";

/** The words with which Redis begins an error (https://redis.io/docs/latest/develop/reference/protocol-spec/). */
const table: readonly FailureRow[] = [
  {
    codes: ["WRONGPASS", "NOAUTH", "ERR_AUTH"],
    reason: "it refuses the login. Check user and password",
  },
  {
    codes: ["NOPERM"],
    reason:
      "the user lacks rights. It has to be allowed all commands on keys that begin with {data-distribution}",
  },
  { codes: ["DB_INDEX"], reason: "it has no database of this number. Choose a lower one" },
  { codes: ["READONLY"], reason: "it takes no changes, as a replica does. Name the primary server" },
  {
    codes: ["OOM"],
    reason: "its memory is full. Give it more (maxmemory), or remove what others keep there",
  },
  {
    codes: ["MISCONF"],
    reason: "it cannot write to its disk, and so takes no changes. Make room there, and look into its log",
  },
  {
    codes: ["MOVED", "CROSSSLOT", "CLUSTERDOWN"],
    reason: "it is one server of a cluster. Name a server that holds all keys itself",
  },
  {
    codes: ["DENIED"],
    reason:
      "it takes connections from its own machine only. Give it a password, or switch protected-mode off",
  },
  { codes: ["LOADING", "BUSY", "TRYAGAIN", "MASTERDOWN"], reason: "it is busy with itself", passes: true },
  {
    codes: ["CONNECTION_LOST"],
    reason: "it does not answer, or closes its connections. Check that it is running and can be reached",
    passes: true,
  },
];

/** What it and its client say only in words. */
const words: readonly [pattern: RegExp, code: string][] = [
  [/DB index is out of range/i, "DB_INDEX"],
  [/max number of clients/i, "BUSY"],
  [/AUTH|username-password/, "ERR_AUTH"],
  [/self-signed certificate|unable to (get|verify)/i, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  [/certificate has expired/i, "CERT_HAS_EXPIRED"],
  [/does not match certificate/i, "ERR_TLS_CERT_ALTNAME_INVALID"],
  [/connection is closed|timed out|timeout|max retries|isn't writeable/i, "CONNECTION_LOST"],
];

/**
 * Nothing of the command is told: it holds what people send.
 * @param earlier what the connection itself said last: commands only learn that it is gone
 */
export function classifyRedisError(
  thrown: unknown,
  earlier: unknown,
  { host, port, password, security }: RedisStoreOptions,
): Failure {
  if (thrown instanceof DeliveryError) return { error: thrown, passes: false };
  const [line = ""] = messageOf(thrown).split("\n");
  const said = (password === "" ? line : line.replaceAll(password, "…")).slice(0, 200);
  const codes = codesOf(thrown);
  // Why a connection is gone, the connection knows.
  if (codes.length === 0 || codes.includes("CONNECTION_LOST")) codes.unshift(...codesOf(earlier));
  const failure = failureOf(codes, { table, where: `Redis at ${host}:${port}`, said });
  if (security === "none" || !codes.includes("ECONNRESET")) return failure;
  // As Debian installs it, it speaks no TLS, and hangs up on whoever begins with it.
  const { error, passes } = failure;
  return {
    error: reworded(error, `${error.message} It may speak no TLS: see the setting Encryption.`),
    passes,
  };
}

function codesOf(error: unknown): string[] {
  const message = messageOf(error);
  const code = codeOf(error);
  return [
    ...(code === undefined ? [] : [code]),
    ...(/^-?([A-Z]+)\b/.exec(message)?.slice(1) ?? []).filter((word) => word !== "ERR"),
    ...words.filter(([pattern]) => pattern.test(message)).map(([, name]) => name),
  ];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}
