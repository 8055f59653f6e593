import { createHash } from "node:crypto";
import * as zlib from "node:zlib";
import type { Part as ListedPart } from "@aws-sdk/client-s3";
import { dropUnfinished } from "./stale-uploads";
import type { UnfinishedUpload } from "./unfinished-uploads";
import { md5Of, type UploadJob } from "./upload-job";

/** An upload that parts can be sent to, with what the store has of it, by the parts' numbers. */
export interface OpenUpload {
  uploadId: string;
  parts: ReadonlyMap<number, ListedPart>;
}

/** What an upload of this job would be noted as. */
export function describeUpload(job: UploadJob, uploadId: string): UnfinishedUpload {
  const { connection, bucket, key, source, partSizeBytes } = job;
  const settings = [job.headers(source.sha256), source.size, partSizeBytes, connection.options.checksums];
  return {
    endpoint: connection.description,
    bucket,
    key,
    uploadId,
    fingerprint: createHash("sha256").update(JSON.stringify(settings)).digest("hex"),
  };
}

/**
 * The upload that an earlier attempt of the same delivery has left, if the store still has it. One that was
 * begun for another key, or with other settings, is removed.
 * @throws whatever the SDK throws when the store does not answer
 */
export async function findUnfinished(job: UploadJob): Promise<OpenUpload | undefined> {
  const { connection, deliveryId, unfinished } = job;
  const noted = await unfinished?.get(deliveryId);
  if (!unfinished || !noted) return undefined;
  const { uploadId } = noted;
  const parts = isSame(noted, describeUpload(job, uploadId)) ? await listParts(job, uploadId) : undefined;
  if (parts) {
    await unfinished.touch(deliveryId);
    return { uploadId, parts };
  }
  await dropUnfinished(connection, unfinished, deliveryId);
  return undefined;
}

function isSame(one: UnfinishedUpload, other: UnfinishedUpload): boolean {
  const names = ["endpoint", "bucket", "key", "fingerprint"] as const;
  return names.every((name) => one[name] === other[name]);
}

/** Undefined when the upload is gone, or the keys may not look at its parts. */
async function listParts(
  job: UploadJob,
  uploadId: string,
): Promise<ReadonlyMap<number, ListedPart> | undefined> {
  const { connection, bucket, key, signal, onRepeat } = job;
  const { ListPartsCommand } = await connection.sdk();
  const parts = new Map<number, ListedPart>();
  let marker: string | undefined;
  try {
    do {
      const command = new ListPartsCommand({
        Bucket: bucket,
        Key: key,
        UploadId: uploadId,
        ...(marker !== undefined && { PartNumberMarker: marker }),
      });
      const page = await connection.send((client, options) => client.send(command, options), {
        signal,
        onRepeat,
      });
      for (const part of page.Parts ?? []) if (part.PartNumber) parts.set(part.PartNumber, part);
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return parts;
  } catch (error) {
    const { kind, code } = connection.explain(error, { step: "look", bucket, key });
    const passing = kind === "unavailable" || kind === "throttled" || kind === "cancelled";
    if (passing && code !== "NoSuchUpload") throw error;
    return undefined;
  }
}

/**
 * Whether the store has this part, as its own checksums of it show. An ETag is the MD5 unless the store
 * encrypts with a key of its own (AWS: Object, "ETag").
 */
export function hasPart(listed: ListedPart | undefined, body: Uint8Array): listed is ListedPart {
  if (!listed?.ETag || listed.Size !== body.length) return false;
  if (listed.ETag.replaceAll('"', "").toLowerCase() === md5Of(body)?.toString("hex")) return true;
  return listed.ChecksumCRC32 !== undefined && listed.ChecksumCRC32 === crc32Of(body);
}

/** As S3 writes it: RFC 4648 §4 of the four bytes. Undefined on versions of Node.js that cannot tell. */
function crc32Of(body: Uint8Array): string | undefined {
  if (typeof zlib.crc32 !== "function") return undefined;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(zlib.crc32(body));
  return bytes.toString("base64");
}
