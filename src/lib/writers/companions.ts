import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { classifyCommonError, DeliveryError, reworded } from "../errors";
import type { DataSource, WriteRequest } from "../types";
import type { DigestAlgorithm, Fingerprint } from "./digests";
import { hiddenName } from "./publication";
import { splitTargetName } from "./target-name";

/** Small files that writers put beside the content, after it: its checksum, then the sign that it is done. */

export const checksumFiles = ["none", "sha256", "md5"] as const;
export type ChecksumFile = (typeof checksumFiles)[number];

/** What is wanted beside the content. */
export interface Companions {
  readonly checksumFile: ChecksumFile;
  /** The name of the done file; empty for none. */
  readonly doneFile: string;
}

export interface Companion {
  readonly leaf: string;
  readonly temporaryLeaf: string;
  readonly text: string;
}

/**
 * @param request `attributes.doneFile` is the name of an empty file to write last
 * @throws DeliveryError `invalid` for a name that is refused
 */
export function readCompanions({ attributes, target }: WriteRequest, checksumFile: ChecksumFile): Companions {
  const { doneFile = "" } = attributes;
  if (doneFile === "") return { checksumFile, doneFile };
  const segments = splitTargetName(doneFile);
  if (segments.length > 1 || segments[0] !== doneFile) {
    throw new DeliveryError(
      "invalid",
      `The done file "${doneFile}" must be a name without folders: it lies beside the content.`,
    );
  }
  if (splitTargetName(target).at(-1) === doneFile) {
    throw new DeliveryError(
      "invalid",
      `The done file "${doneFile}" has the name of the content. Give it another.`,
    );
  }
  return { checksumFile, doneFile };
}

/** The digests that companions need of the content besides its SHA-256. */
export function companionDigests({ checksumFile }: Companions): DigestAlgorithm[] {
  return checksumFile === "md5" ? ["md5"] : [];
}

/**
 * What to write, in this order.
 * @param leaf the name that the content has, which `keep-both` may have numbered
 */
export function companionsOf(
  { checksumFile, doneFile }: Companions,
  request: WriteRequest,
  leaf: string,
  { sha256, digests }: Fingerprint,
): Companion[] {
  const companions: Companion[] = [];
  const add = (name: string, text: string) => {
    const temporaryLeaf = hiddenName({ ...request, target: `${request.target}\0${name}` }, "part");
    companions.push({ leaf: name, temporaryLeaf, text });
  };
  const digest = checksumFile === "md5" ? digests.md5 : sha256;
  if (checksumFile !== "none" && digest !== undefined) {
    add(`${leaf}.${checksumFile}`, checksumLine(digest, leaf));
  }
  const wanted = splitTargetName(request.target).at(-1) ?? leaf;
  // Files that are numbered each need a sign of their own.
  if (doneFile !== "") add(doneFile.replaceAll(wanted, leaf), "");
  return companions;
}

/** As `sha256sum -c` and `md5sum -c` read it: a backslash in a name is doubled, and the line begins with one. */
function checksumLine(digest: string, leaf: string): string {
  const escaped = leaf.replaceAll("\\", "\\\\");
  return `${escaped === leaf ? "" : "\\"}${digest}  ${escaped}\n`;
}

/**
 * Writes one after the other.
 * @param place the other side, and the content, as sentences name them
 * @throws DeliveryError that says which of them is not there, though the content is
 */
export async function writeEach(
  companions: readonly Companion[],
  { where, location }: { where: string; location: string },
  write: (companion: Companion) => Promise<void>,
): Promise<void> {
  for (const companion of companions) {
    try {
      await write(companion);
    } catch (error) {
      const known = classifyCommonError(error, where);
      if (!known) throw error;
      const sentence = `${location} is in its place, but ${companion.leaf} beside it is not.`;
      throw reworded(known, `${sentence} ${known.message}`);
    }
  }
}

/** For writers that send a companion as they send content. */
export function companionSource({ leaf, text }: Companion): DataSource {
  const bytes = Buffer.from(text);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return {
    name: leaf,
    contentType: undefined,
    size: bytes.length,
    sha256,
    read: async () => ({
      stream: Readable.from(bytes.length > 0 ? [bytes] : []),
      bytes: bytes.length,
      sha256: () => sha256,
    }),
  };
}
