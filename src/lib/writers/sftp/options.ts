import { isIPv6 } from "node:net";
import { type OptionReader, readOptions } from "../../options";
import { type ChecksumFile, checksumFiles } from "../companions";
import { type ConflictPolicy, conflictPolicies } from "../target-name";
import { type PinnedHostKeys, readHostKeys } from "./host-keys";

export const sftpHostKeyChecks = ["pinned", "show"] as const;
export const sftpVerifications = ["size", "read-back", "none"] as const;

export interface SftpConnectionOptions {
  /** A host name or an IP address, IPv6 without brackets. */
  host: string;
  port: number;
  user: string;
  /** For the methods `password` and, if the server asks that way, `keyboard-interactive`. */
  password: string | undefined;
  /** In PEM, OpenSSH's or PuTTY's form. */
  privateKey: string | undefined;
  passphrase: string | undefined;
  /**
   * `pinned`: nobody but the owner of a key of `hostKeys` is spoken to. `show`: for the first contact;
   * nothing is delivered, and the error says which key the server has.
   */
  hostKeyCheck: (typeof sftpHostKeyChecks)[number];
  hostKeys: PinnedHostKeys;
  /**
   * The folder that all targets are below. With a leading slash it is an absolute path; without one it is
   * below the user's own folder, which it is by default.
   */
  root: string;
  /** For reaching the server and logging in. */
  connectTimeoutMs: number;
  /** For each answer, and for an upload in which no byte moves. */
  idleTimeoutMs: number;
  /** How many logins may be open at once. Further work waits for one. */
  maxSessions: number;
}

export interface SftpWriterOptions {
  /** Make the target's folders when they are missing. */
  makeFolders: boolean;
  /** Upload under a temporary name beside the target, then rename. */
  temporaryName: boolean;
  /** `size`: ask for the size after the upload. `read-back`: read the file again and compare its SHA-256, too. */
  verify: (typeof sftpVerifications)[number];
  /** Write a checksum of the content beside it, as `sha256sum` and `md5sum` do. */
  checksumFile: ChecksumFile;
  conflict: ConflictPolicy;
}

const hostPattern = /^[^\s/@[\]]+$/;
const oneLine = { pattern: /^[^\r\n\0]*$/, must: "text without line breaks" };
const maxTimeoutMs = 24 * 60 * 60 * 1000;

/** @throws DeliveryError `invalid` that lists every problem */
export function readSftpConnectionOptions(input: unknown): SftpConnectionOptions {
  return readOptions("SFTP connection", input, (options) => {
    const host = readHost(options);
    const port = options.number("port", { min: 1, max: 65_535, default: 22, integer: true });
    const password = options.optionalString("password", oneLine);
    const privateKey = readPrivateKey(options);
    if (password === undefined && privateKey === undefined) {
      options.problem("a password or a privateKey is needed");
    }
    const hostKeyCheck = options.choice("hostKeyCheck", sftpHostKeyChecks, "pinned");
    return {
      host,
      port,
      user: options.string("user", oneLine),
      password,
      privateKey,
      passphrase: options.optionalString("passphrase", oneLine),
      hostKeyCheck,
      hostKeys: readPins(options, { host, port }, hostKeyCheck === "pinned"),
      root: readRoot(options),
      connectTimeoutMs: options.number("connectTimeoutMs", { min: 100, max: maxTimeoutMs, default: 30_000 }),
      idleTimeoutMs: options.number("idleTimeoutMs", { min: 100, max: maxTimeoutMs, default: 60_000 }),
      maxSessions: options.number("maxSessions", { min: 1, max: 100, default: 5, integer: true }),
    };
  });
}

/** @throws DeliveryError `invalid` that lists every problem */
export function readSftpWriterOptions(input: unknown): SftpWriterOptions {
  return readOptions("SFTP writer", input, (options) => ({
    makeFolders: options.boolean("makeFolders", true),
    temporaryName: options.boolean("temporaryName", true),
    verify: options.choice("verify", sftpVerifications, "size"),
    checksumFile: options.choice("checksumFile", checksumFiles, "none"),
    conflict: options.choice("conflict", conflictPolicies, "replace"),
  }));
}

function readHost(options: OptionReader): string {
  const host = options.string("host", {
    pattern: hostPattern,
    must: "a host name or an address alone, without sftp://, user or folder",
  });
  if (host.includes(":") && !isIPv6(host)) {
    options.problem("host must not hold a port; it has a field of its own");
  }
  return host;
}

function readPrivateKey(options: OptionReader): string | undefined {
  // Environment variables often hold a key on one line, with its line breaks spelt out.
  const key = options.optionalString("privateKey")?.replaceAll("\\n", "\n");
  if (key !== undefined && !/-----BEGIN [A-Z ]*PRIVATE KEY-----|^PuTTY-User-Key-File-/.test(key)) {
    options.problem("privateKey must be a private key: it begins with -----BEGIN … PRIVATE KEY-----");
  }
  return key;
}

function readPins(
  options: OptionReader,
  server: { host: string; port: number },
  required: boolean,
): PinnedHostKeys {
  const text = (required ? options.string("hostKeys") : options.optionalString("hostKeys")) ?? "";
  return readHostKeys(text, server, (sentence) => options.problem(`hostKeys: ${sentence}`));
}

function readRoot(options: OptionReader): string {
  const root = options.optionalString("root") ?? "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(root)) options.problem("root must not hold control characters");
  const segments = root.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) options.problem('root must not hold ".."');
  return (root.startsWith("/") ? "/" : "") + segments.join("/");
}
