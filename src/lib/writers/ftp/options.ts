import { isIPv6 } from "node:net";
import { readAuthorities } from "../../authorities";
import { type OptionReader, readOptions } from "../../options";
import { type ChecksumFile, checksumFiles } from "../companions";
import { type ConflictPolicy, conflictPolicies } from "../target-name";

export const ftpSecurities = ["none", "explicit", "implicit"] as const;
export const ftpVerifications = ["automatic", "read-back", "size", "none"] as const;
export const ftpPassiveAddresses = ["same", "announced"] as const;

export interface FtpConnectionOptions {
  /** A host name or an IP address, IPv6 without brackets. */
  host: string;
  /** Default: 21, or 990 for implicit TLS. */
  port: number;
  /** Default: `anonymous`. */
  user: string;
  password: string;
  /** `explicit`: AUTH TLS (RFC 4217), never falling back to clear text. `implicit`: TLS from the first byte. */
  security: (typeof ftpSecurities)[number];
  /** PEM of the authorities that may have signed the server's certificate, instead of the well-known ones. */
  ca: string | undefined;
  verifyCertificate: boolean;
  /** The name that the certificate must be for, when it is not `host`. */
  serverName: string | undefined;
  /**
   * The folder that all targets are below. With a leading slash it is an absolute path; without one it is
   * below the folder that the server puts the user in. Default: `/`.
   */
  root: string;
  /** Whether a data connection may go only to the host of the control connection, or where PASV says. */
  passiveAddress: (typeof ftpPassiveAddresses)[number];
  /** For reaching the server, its greeting and the TLS handshake; also for each data connection. */
  connectTimeoutMs: number;
  /** For each reply, and for a transfer in which no byte moves. */
  idleTimeoutMs: number;
  /** How many logins may be open at once. Further work waits for one. */
  maxSessions: number;
}

export interface FtpWriterOptions {
  /** Make the target's folders when they are missing. */
  makeFolders: boolean;
  /** Upload under a temporary name beside the target, then rename. */
  temporaryName: boolean;
  /**
   * Besides the size, `automatic` compares a hash where the server has a command for one, else reads files
   * of up to 1 MiB again, and resumed ones. `read-back`: read every file again. `size`: the size only.
   */
  verify: (typeof ftpVerifications)[number];
  /** Write a checksum of the content beside it, as `sha256sum` and `md5sum` do. */
  checksumFile: ChecksumFile;
  conflict: ConflictPolicy;
}

const hostPattern = /^[^\s/@[\]]+$/;
const oneLine = { pattern: /^[^\r\n\0]*$/, must: "text without line breaks" };
const maxTimeoutMs = 24 * 60 * 60 * 1000;

/** @throws DeliveryError `invalid` that lists every problem */
export function readFtpConnectionOptions(input: unknown): FtpConnectionOptions {
  return readOptions("FTP connection", input, (options) => {
    const security = options.choice("security", ftpSecurities, "none");
    const user = options.optionalString("user", oneLine);
    return {
      host: readHost(options),
      port: options.number("port", {
        min: 1,
        max: 65_535,
        default: security === "implicit" ? 990 : 21,
        integer: true,
      }),
      user: user ?? "anonymous",
      password: options.optionalString("password", oneLine) ?? (user === undefined ? "anonymous@" : ""),
      security,
      ca: readAuthorities(options),
      verifyCertificate: options.boolean("verifyCertificate", true),
      serverName: options.optionalString("serverName", { pattern: hostPattern, must: "a host name" }),
      root: readRoot(options),
      passiveAddress: options.choice("passiveAddress", ftpPassiveAddresses, "same"),
      connectTimeoutMs: options.number("connectTimeoutMs", { min: 100, max: maxTimeoutMs, default: 30_000 }),
      idleTimeoutMs: options.number("idleTimeoutMs", { min: 100, max: maxTimeoutMs, default: 60_000 }),
      maxSessions: options.number("maxSessions", { min: 1, max: 100, default: 5, integer: true }),
    };
  });
}

/** @throws DeliveryError `invalid` that lists every problem */
export function readFtpWriterOptions(input: unknown): FtpWriterOptions {
  return readOptions("FTP writer", input, (options) => ({
    makeFolders: options.boolean("makeFolders", true),
    temporaryName: options.boolean("temporaryName", true),
    verify: options.choice("verify", ftpVerifications, "automatic"),
    checksumFile: options.choice("checksumFile", checksumFiles, "none"),
    conflict: options.choice("conflict", conflictPolicies, "replace"),
  }));
}

function readHost(options: OptionReader): string {
  const host = options.string("host", {
    pattern: hostPattern,
    must: "a host name or an address alone, without ftp://, user or folder",
  });
  if (host.includes(":") && !isIPv6(host)) {
    options.problem("host must not hold a port; it has a field of its own");
  }
  return host;
}

function readRoot(options: OptionReader): string {
  const root = options.optionalString("root") ?? "/";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(root)) options.problem("root must not hold control characters");
  const segments = root.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) options.problem('root must not hold ".."');
  return (root.startsWith("/") ? "/" : "") + segments.join("/");
}
