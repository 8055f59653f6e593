import { canDigest, type DigestAlgorithm } from "../digests";
import type { FtpReply } from "./errors";
import { optional, type RemoteFile } from "./remote-files";
import type { FtpSession } from "./session";

/** How a server computes a digest of a file that it has. */
export interface ServerHash {
  algorithm: DigestAlgorithm;
  command: string;
  /** As HASH calls the algorithm in its answer. */
  name?: string;
  /** What HASH has to be told first. */
  option?: string;
}

/** Names of `draft-bryan-ftpext-hash`, as FEAT lists them. */
const hashNames: readonly [string, DigestAlgorithm][] = [
  ["SHA-256", "sha256"],
  ["SHA-512", "sha512"],
  ["SHA-1", "sha1"],
  ["MD5", "md5"],
  ["CRC32", "crc32"],
];

/** Older commands, one for each algorithm, which no RFC describes. */
const oldCommands: readonly [string, DigestAlgorithm][] = [
  ["XSHA256", "sha256"],
  ["XSHA512", "sha512"],
  ["XSHA1", "sha1"],
  ["XSHA", "sha1"],
  ["XMD5", "md5"],
  ["MD5", "md5"],
  ["XCRC", "crc32"],
];

const hexLength: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128, sha1: 40, md5: 32, crc32: 8 };

/** The best that the server lists in FEAT (RFC 2389) and has not refused to know yet. */
export function serverHash(session: FtpSession): ServerHash | undefined {
  const { unknown } = session.context.facts;
  const offers = [...offersOfHash(session), ...offersOfOldCommands(session)].filter(
    ({ algorithm, command }) => canDigest(algorithm) && !unknown.has(command),
  );
  // The order of a server's own list says nothing; a cryptographic digest is worth more than another.
  const rank = new Map(hashNames.map(([, algorithm], at) => [algorithm, at]));
  offers.sort((a, b) => (rank.get(a.algorithm) ?? 0) - (rank.get(b.algorithm) ?? 0));
  return offers[0];
}

function offersOfHash(session: FtpSession): ServerHash[] {
  const listed = session.features.get("HASH")?.toUpperCase().split(";") ?? [];
  return hashNames.flatMap(([name, algorithm]) => {
    // The star marks what the session begins with.
    const chosen = session.hashOption === name || (!session.hashOption && listed.includes(`${name}*`));
    if (!chosen && !listed.includes(name) && !listed.includes(`${name}*`)) return [];
    return [{ algorithm, command: "HASH", name, ...(!chosen && { option: name }) }];
  });
}

function offersOfOldCommands(session: FtpSession): ServerHash[] {
  return oldCommands
    .filter(([command]) => session.features.has(command))
    .map(([command, algorithm]) => ({ algorithm, command }));
}

/** Slow disks included: for so long a server may say nothing while it reads the file. */
const hashBytesPerMs = 10_000;

/**
 * What the server computes of a file, in lower-case hex; undefined when it does not.
 * @param bytes the file's size, which decides how long the answer may take
 * @throws DeliveryError only for a lost session
 */
export async function serverDigest(
  session: FtpSession,
  { algorithm, command, name, option }: ServerHash,
  { path, shown }: RemoteFile,
  bytes: number,
): Promise<string | undefined> {
  const patience = { path: shown, extraMs: bytes / hashBytesPerMs };
  if (option !== undefined) {
    const chosen = await session.ask(`OPTS HASH ${option}`, "look", { path: shown });
    if (chosen.code < 400) session.hashOption = option;
  }
  const reply = await optional(session, command, path, patience);
  if (!reply || reply.code >= 300) return undefined;
  // A digest of another kind proves nothing.
  if (name !== undefined && !reply.text.toUpperCase().includes(name)) return undefined;
  return digestIn(reply, path, algorithm);
}

/** The draft has the name last, old commands have it anywhere or not at all: and it may look like a digest. */
function digestIn(reply: FtpReply, path: string, algorithm: DigestAlgorithm): string | undefined {
  const length = hexLength[algorithm];
  let said = ` ${reply.text.slice(4).trim()} `;
  for (const name of [path, path.slice(path.lastIndexOf("/") + 1)]) {
    said = said.replaceAll(` ${name} `, " ").replaceAll(`"${name}"`, " ");
  }
  // Some leave out the zeros that a CRC begins with.
  const shortest = algorithm === "crc32" ? 1 : length;
  const pattern = new RegExp(`(?<![^\\s"=:])(?:0x)?([0-9a-f]{${shortest},${length}})(?![^\\s".,;])`, "i");
  return pattern.exec(said)?.[1]?.toLowerCase().padStart(length, "0");
}
