import { createHash, createHmac } from "node:crypto";

/** A server's host key: which kind, and how people compare it. */
export interface HostKey {
  /** As in RFC 4253 §6.6: `ssh-ed25519`. */
  readonly type: string;
  /** `SHA256:` and 43 characters of Base64, as ssh-keygen(1) shows it. */
  readonly fingerprint: string;
}

/** The keys that are trusted, for one server. */
export interface PinnedHostKeys {
  readonly trusted: ReadonlySet<string>;
  readonly revoked: ReadonlySet<string>;
  /** The kinds of the trusted keys; empty when only fingerprints are known. */
  readonly types: ReadonlySet<string>;
}

const keyType = /^(ssh-|ecdsa-|sk-)/;
const sha256Fingerprint = /\bSHA256:([A-Za-z0-9+/]{43})=?(?![A-Za-z0-9+/])/;

/**
 * Reads what people have at hand: fingerprints (`SHA256:…`, or a line of `ssh-keygen -l`), lines of a
 * known_hosts file or of ssh-keyscan, hashed names included (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), and bare
 * public keys. Lines for other hosts are passed over.
 * @param problem is told what cannot be used; the line's number counts from 1
 */
export function readHostKeys(
  text: string,
  server: { host: string; port: number },
  problem: (sentence: string) => void,
): PinnedHostKeys {
  const keys = { trusted: new Set<string>(), revoked: new Set<string>(), types: new Set<string>() };
  let foreign = 0;
  for (const [index, line] of text.split(/\r?\n|\\n/).entries()) {
    const entry = readLine(line.trim(), server);
    if (entry === "foreign") foreign++;
    else if (entry === "unreadable") {
      problem(`line ${index + 1} is neither a SHA256 fingerprint nor a line of a known_hosts file`);
    } else if (entry !== "empty") {
      keys[entry.revoked ? "revoked" : "trusted"].add(entry.fingerprint);
      if (entry.type !== undefined && !entry.revoked) keys.types.add(entry.type);
    }
  }
  if (keys.trusted.size === 0 && foreign > 0) problem(`none of the lines is for ${nameOf(server)}`);
  // A fingerprint does not tell which kind of key it is for.
  if (sha256Fingerprint.test(text)) keys.types.clear();
  return keys;
}

interface Entry {
  fingerprint: string;
  type: string | undefined;
  revoked: boolean;
}

function readLine(
  line: string,
  server: { host: string; port: number },
): Entry | "empty" | "foreign" | "unreadable" {
  if (line === "" || line.startsWith("#")) return "empty";
  const fingerprint = sha256Fingerprint.exec(line)?.[1];
  if (fingerprint !== undefined)
    return { fingerprint: `SHA256:${fingerprint}`, type: undefined, revoked: false };
  const words = line.split(/[ \t]+/);
  const marker = words[0]?.startsWith("@") ? words.shift() : undefined;
  // Certificates of hosts are not supported; plain keys in the same file still are.
  if (marker === "@cert-authority") return "foreign";
  const names = keyType.test(words[0] ?? "") ? undefined : words.shift();
  const [type = "", encoded = ""] = words;
  const key = Buffer.from(encoded, "base64");
  if (!keyType.test(type) || typeOf(key) !== type) return "unreadable";
  if (names !== undefined && !isFor(names, server)) return "foreign";
  return { fingerprint: fingerprintOf(key), type, revoked: marker === "@revoked" };
}

export function describeHostKey(key: Buffer): HostKey {
  return { type: typeOf(key) ?? "unknown", fingerprint: fingerprintOf(key) };
}

function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** RFC 4253 §6.6: a key's blob begins with its type as a string with a length before it. */
function typeOf(key: Buffer): string | undefined {
  if (key.length < 4) return undefined;
  const length = key.readUInt32BE(0);
  return length <= 64 && key.length > 4 + length ? key.toString("latin1", 4, 4 + length) : undefined;
}

function nameOf({ host, port }: { host: string; port: number }): string {
  return port === 22 ? host : `[${host}]:${port}`;
}

/** Patterns with `*` and `?`, negated by `!`, separated by commas; or a hash of one name. */
function isFor(names: string, server: { host: string; port: number }): boolean {
  const name = nameOf(server).toLowerCase();
  const hashed = /^\|1\|([^|]+)\|([^|]+)$/.exec(names);
  if (hashed) {
    const [, salt = "", hash = ""] = hashed;
    return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash;
  }
  const patterns = names.toLowerCase().split(",");
  const fits = (pattern: string) => glob(pattern).test(name);
  if (patterns.some((pattern) => pattern.startsWith("!") && fits(pattern.slice(1)))) return false;
  return patterns.some((pattern) => fits(pattern));
}

function glob(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`);
}
