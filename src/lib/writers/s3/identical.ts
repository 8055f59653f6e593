import { createHash } from "node:crypto";
import type { DataSource } from "../../types";
import type { FoundObject } from "./look";

/** `untold`: the store gives nothing to compare by. */
export type Comparison =
  | { state: "identical"; sha256: string }
  | { state: "different" }
  | { state: "untold" };

/** An ETag that is the MD5 of the content; those of multipart uploads end in `-<parts>`. */
const md5Etag = /^"?([0-9a-f]{32})"?$/i;

/**
 * Compares a source with an object: by size, then by the SHA-256 in its metadata, else by an MD5 ETag.
 * Reads the source once through when its digest is not known.
 * @throws whatever the source throws
 */
export async function compareContent(
  source: DataSource,
  object: FoundObject,
  signal: AbortSignal,
): Promise<Comparison> {
  if (source.size !== undefined && source.size !== object.bytes) return { state: "different" };
  if (source.sha256 !== undefined && object.sha256 !== undefined) {
    return source.sha256 === object.sha256
      ? { state: "identical", sha256: source.sha256 }
      : { state: "different" };
  }
  const md5 = md5Etag.exec(object.etag ?? "")?.[1]?.toLowerCase();
  if (object.sha256 === undefined && md5 === undefined) return { state: "untold" };
  const digests = await digestSource(source, signal);
  const same = object.sha256 !== undefined ? digests.sha256 === object.sha256 : digests.md5 === md5;
  if (same && digests.bytes === object.bytes) return { state: "identical", sha256: digests.sha256 };
  // Encryption with keys of one's own makes an ETag that looks like an MD5 and is none: then it is sent.
  return { state: "different" };
}

/** One pass over the source. @throws whatever the source throws */
export async function digestSource(
  source: DataSource,
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string; md5: string }> {
  const reading = await source.read({ signal });
  const onAbort = () => reading.stream.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const md5 = createHash("md5");
    for await (const chunk of reading.stream) md5.update(chunk as Uint8Array);
    return { bytes: reading.bytes, sha256: reading.sha256(), md5: md5.digest("hex") };
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
