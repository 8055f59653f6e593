import { isIPv6 } from "node:net";
import { readAuthorities } from "../../authorities";
import { readOptions } from "../../options";
import { type ServerKind, serverKinds } from "./kinds";

export interface ServerStoreOptions {
  kind: ServerKind;
  /** A host name or an IP address, IPv6 without brackets. */
  host: string;
  port: number;
  /** At Oracle the name of the service. */
  database: string;
  user: string;
  password: string;
  /** `tls` never falls back to clear text. */
  security: "tls" | "none";
  /** PEM of the authorities that may have signed the server's certificate, instead of the well-known ones. */
  ca: string | undefined;
  verifyCertificate: boolean;
  /** For reaching the server, logging in included. */
  connectTimeoutMs: number;
  /** How many connections this process may have open at once. */
  maxConnections: number;
  /**
   * How long a delivery stays with the process that sends it when nothing is heard of that process any
   * more. It is extended at a third of it.
   */
  leaseMs: number;
}

const text = { pattern: /^[^\r\n\0]*$/, must: "text without line breaks" };

/** @throws DeliveryError `invalid` that lists every problem */
export function readServerStoreOptions(input: unknown): ServerStoreOptions {
  return readOptions("Delivery store", input, (options) => {
    const kind = options.choice("kind", Object.keys(serverKinds) as ServerKind[], "postgresql");
    const host = options.string("host", {
      pattern: /^[^\s/@[\]]+$/,
      must: "a host name or an address alone, without a scheme, user or database",
    });
    if (host.includes(":") && !isIPv6(host)) {
      options.problem("host must not hold a port; it has a field of its own");
    }
    const ca = readAuthorities(options);
    if (ca && kind === "oracle") {
      options.problem("ca cannot be given for Oracle. Set the environment variable NODE_EXTRA_CA_CERTS");
    }
    return {
      kind,
      host,
      port: options.number("port", { min: 1, max: 65_535, default: serverKinds[kind].port, integer: true }),
      database: options.string("database", text),
      user: options.string("user", text),
      password: options.optionalString("password", text) ?? "",
      security: options.choice("security", ["tls", "none"], "tls"),
      ca,
      verifyCertificate: options.boolean("verifyCertificate", true),
      connectTimeoutMs: options.number("connectTimeoutMs", { min: 100, max: 600_000, default: 10_000 }),
      maxConnections: options.number("maxConnections", { min: 1, max: 100, default: 5, integer: true }),
      leaseMs: options.number("leaseMs", { min: 30_000, max: 3_600_000, default: 60_000 }),
    };
  });
}
