import { createHash, type Hash } from "node:crypto";
import * as zlib from "node:zlib";

/** What servers and checksum files compare content by, the best first. */
export const digestAlgorithms = ["sha256", "sha512", "sha1", "md5", "crc32"] as const;
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

/** Lower-case hex, by algorithm. */
export type Digests = Partial<Record<DigestAlgorithm, string>>;

/** Content as far as comparing needs it. */
export interface Fingerprint {
  bytes: number;
  sha256: string;
  /** Further ones; SHA-256 may be among them. */
  digests: Digests;
}

export interface RunningDigests {
  update(chunk: Uint8Array): void;
  /** Of what came so far. Call it once, at the end. */
  digests(): Digests;
}

/** Whether this Node.js can compute it: CRC-32 came with 20.15. */
export function canDigest(algorithm: DigestAlgorithm): boolean {
  return algorithm !== "crc32" || typeof zlib.crc32 === "function";
}

/** Computes several digests in one pass. */
export function runningDigests(algorithms: readonly DigestAlgorithm[]): RunningDigests {
  const hashes = new Map<DigestAlgorithm, Hash>();
  let crc: number | undefined;
  for (const algorithm of new Set(algorithms)) {
    if (algorithm === "crc32") crc = 0;
    else hashes.set(algorithm, createHash(algorithm));
  }
  return {
    update(chunk) {
      if (crc !== undefined) crc = zlib.crc32(chunk, crc);
      for (const hash of hashes.values()) hash.update(chunk);
    },
    digests() {
      const found: Digests = {};
      if (crc !== undefined) found.crc32 = crc.toString(16).padStart(8, "0");
      for (const [algorithm, hash] of hashes) found[algorithm] = hash.digest("hex");
      return found;
    },
  };
}
