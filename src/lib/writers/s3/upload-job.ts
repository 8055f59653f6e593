import { createHash } from "node:crypto";
import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import type { DataSource } from "../../types";
import type { S3Connection } from "./connection";
import type { ObjectHeaders } from "./object-headers";
import type { UnfinishedUploads } from "./unfinished-uploads";

export interface UploadJob {
  deliveryId: string;
  connection: S3Connection;
  source: DataSource;
  bucket: string;
  key: string;
  /** The store is to refuse when there is an object already. */
  ifAbsent: boolean;
  partSizeBytes: number;
  /** @param sha256 of the content, when it is known before the upload begins */
  headers: (sha256: string | undefined) => ObjectHeaders;
  signal: AbortSignal;
  onProgress: (bytes: number) => void;
  /** Called before a request is sent again, with what it failed of. */
  onRepeat: (error: unknown) => void;
  /** Called when an unfinished upload was gone on with. */
  onResume: (resumed: { parts: number; bytes: number }) => void;
  /** Where uploads are noted that another attempt can go on with; absent when none is to. */
  unfinished: UnfinishedUploads | undefined;
}

/** What the store answered to the request that publishes. */
export interface Reply {
  etag: string | undefined;
  versionId: string | undefined;
  /** The store compared a checksum of every byte. */
  checksummed: boolean;
}

/** All content was sent and the store was asked to publish it. Whether it did is still to be found out. */
export interface Published {
  bytes: number;
  sha256: string;
  outcome: Reply | DeliveryError;
  /**
   * What becomes of an upload in parts: it is done, or why it was not published. Its parts are then removed,
   * unless another attempt can go on with them. Never fails.
   */
  end: (error?: unknown) => Promise<void>;
}

/** The precondition that nobody has written the key meanwhile: RFC 9110 §13.1.2. */
export function onlyIfAbsent({ ifAbsent }: UploadJob): { IfNoneMatch?: string } {
  return ifAbsent ? { IfNoneMatch: "*" } : {};
}

/** A checksum that the store is asked to compare with what it received. */
export interface BodyChecksum {
  input: { ChecksumAlgorithm?: "CRC32"; ContentMD5?: string };
  /** Whether its answer shows that it did. */
  echoed(answer: { ChecksumCRC32?: string | undefined; ETag?: string | undefined }): boolean;
}

/**
 * CRC-32, computed by the SDK; for stores that refuse it Content-MD5, which all know and which they give
 * back as the ETag unless they encrypt with a key of their own.
 */
export function bodyChecksum({ connection }: UploadJob, body: Uint8Array): BodyChecksum {
  if (connection.options.checksums === "supported") {
    return {
      input: { ChecksumAlgorithm: "CRC32" },
      echoed: ({ ChecksumCRC32 }) => ChecksumCRC32 !== undefined,
    };
  }
  const md5 = md5Of(body);
  if (md5 === undefined) return { input: {}, echoed: () => false };
  return {
    input: { ContentMD5: md5.toString("base64") },
    echoed: ({ ETag }) => ETag?.replaceAll('"', "").toLowerCase() === md5.toString("hex"),
  };
}

/** For an answer with success that cannot be the store's own. `said` ends a sentence that begins with its name. */
export function falseSuccess(
  { connection }: UploadJob,
  said: string,
  { code, reason = "" }: { code?: string; reason?: string } = {},
): DeliveryError {
  const doubt = "Does a proxy or a cache in between answer in its place?";
  const sentence = `${capitalised(connection.description)} ${said} ${doubt} ${reason}`.trimEnd();
  return new DeliveryError("unavailable", sentence, { code });
}

/** Undefined where the machine forbids MD5 (FIPS). */
export function md5Of(body: Uint8Array): Buffer | undefined {
  try {
    return createHash("md5").update(body).digest();
  } catch {
    return undefined;
  }
}
