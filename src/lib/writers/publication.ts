import { createHash } from "node:crypto";
import { classifyCommonError, DeliveryError } from "../errors";
import type { DataSource, SourceReading, WriteRequest } from "../types";

/** What writers share that place files: temporary names, digests, and what they say. */

/**
 * The same for every attempt of a delivery, so that a new attempt overwrites what an old one left behind;
 * short, however long the final name is; hidden from those who list the folder for new files.
 */
export function hiddenName({ deliveryId, target }: WriteRequest, extension: string): string {
  const digest = createHash("sha256").update(`${deliveryId}\0${target}`).digest("hex");
  return `.${digest.slice(0, 32)}.${extension}`;
}

/** @throws DeliveryError the source's own */
export async function openReading(source: DataSource, signal: AbortSignal): Promise<SourceReading> {
  try {
    return await source.read({ signal });
  } catch (error) {
    throw unreadable(error);
  }
}

/** What went wrong with a source as a `DeliveryError`. */
export function unreadable(error: unknown): DeliveryError {
  const known = classifyCommonError(error, "the source");
  if (known) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return new DeliveryError("unavailable", `The source could not be read: ${reason}`, { cause: error });
}

/**
 * Size and SHA-256 of a source, read through only when they are not known.
 * @throws DeliveryError the source's own
 */
export async function digestOf(
  source: DataSource,
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  if (source.size !== undefined && source.sha256 !== undefined) {
    return { bytes: source.size, sha256: source.sha256 };
  }
  const { stream } = await openReading(source, signal);
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    throw unreadable(error);
  }
  return { bytes, sha256: hash.digest("hex") };
}

export function fileExists(location: string): DeliveryError {
  return new DeliveryError(
    "rejected",
    `${location} exists already. Choose another name, or another policy for existing files.`,
    { code: "EEXIST" },
  );
}

/** How many numbered names `keep-both` tries. */
export const mostNumbers = 1000;

export function tooManyNumbers(location: string): DeliveryError {
  return new DeliveryError(
    "rejected",
    `${mostNumbers} files are numbered like ${location}. Tidy the folder up, or choose another name.`,
    { code: "EEXIST" },
  );
}
