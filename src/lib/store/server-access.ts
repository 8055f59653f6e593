import { isIPv6 } from "node:net";
import { readAuthorities } from "../authorities";
import { DeliveryError } from "../errors";
import { importOptionalPeer } from "../optional-peer";
import type { OptionReader } from "../options";

/** How to reach a server that several processes keep their deliveries in. */
export interface ServerAccess {
  /** A host name or an IP address, IPv6 without brackets. */
  host: string;
  port: number;
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

/** How often to look for what other processes have put into a server, or left behind, in milliseconds. */
export const lookEveryMs = 2_000;

export const plainText = { pattern: /^[^\r\n\0]*$/, must: "text without line breaks" };

export function readServerAccess(options: OptionReader, usualPort: number): ServerAccess {
  const host = options.string("host", {
    pattern: /^[^\s/@[\]]+$/,
    must: "a host name or an address alone, without a scheme, user or database",
  });
  if (host.split(",").some((name) => name.includes(":") && !isIPv6(name))) {
    options.problem("host must not hold a port; it has a field of its own");
  }
  return {
    host,
    port: options.number("port", { min: 1, max: 65_535, default: usualPort, integer: true }),
    password: options.optionalString("password", plainText) ?? "",
    security: options.choice("security", ["tls", "none"], "tls"),
    ca: readAuthorities(options),
    verifyCertificate: options.boolean("verifyCertificate", true),
    connectTimeoutMs: options.number("connectTimeoutMs", { min: 100, max: 600_000, default: 10_000 }),
    maxConnections: options.number("maxConnections", { min: 1, max: 100, default: 5, integer: true }),
    leaseMs: options.number("leaseMs", { min: 30_000, max: 3_600_000, default: 60_000 }),
  };
}

/** How long a statement may be tried: it must be over well before the lease that it extends. */
export function patienceMsOf({ leaseMs }: Pick<ServerAccess, "leaseMs">): number {
  return Math.max(2_000, Math.min(10_000, leaseMs / 6));
}

export interface ServerStoreContext {
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Told of what an operator should know, in sentences. */
  onNotice?: (notice: string) => void;
}

/**
 * Imports the package that speaks to a kind of server.
 * @param names as with `importOptionalPeer`
 * @param kept ends the sentence "… is needed to keep deliveries"
 * @throws DeliveryError `local` when it is not installed
 */
export async function importClient<T>(names: string, kept: string, load: () => Promise<T>): Promise<T> {
  try {
    return await importOptionalPeer(names, `keep deliveries ${kept}`, load);
  } catch (error) {
    // The store cannot do its work; nothing is wrong with the delivery.
    if (!(error instanceof DeliveryError)) throw error;
    throw new DeliveryError("local", error.message, { code: error.code, cause: error.cause });
  }
}
