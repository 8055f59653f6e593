import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { receiveFile } from "./body";
import { type ChecksumType, checksumHeader, readAlgorithm } from "./checksums";
import { S3Error } from "./errors";
import type { Exchange, Handler } from "./exchange";
import { compareKeys, encoder, pageLimit } from "./listing";
import { encryptionHeaders, readSettings } from "./object-settings";
import type { S3Bucket, S3Part, S3Upload } from "./store";
import { xmlDocument } from "./xml";

export const createUpload: Handler = (exchange) => {
  const { store, info, header } = exchange;
  const bucket = store.bucket(info.bucket);
  const upload: S3Upload = {
    id: randomBytes(24).toString("base64url"),
    key: info.key ?? "",
    initiated: new Date(),
    settings: readSettings(exchange),
    checksum: readChecksumPlan(header("x-amz-checksum-algorithm"), header("x-amz-checksum-type")),
    parts: new Map(),
  };
  bucket.uploads.set(upload.id, upload);
  return {
    headers: {
      ...encryptionHeaders(upload.settings),
      ...(upload.checksum && {
        "x-amz-checksum-algorithm": upload.checksum.algorithm,
        "x-amz-checksum-type": upload.checksum.type,
      }),
    },
    body: xmlDocument("InitiateMultipartUploadResult", {
      Bucket: bucket.name,
      Key: upload.key,
      UploadId: upload.id,
    }),
  };
};

/** Which algorithms go with which type: AWS, "Checking object integrity in Amazon S3". */
function readChecksumPlan(name: string | undefined, type: string | undefined): S3Upload["checksum"] {
  const algorithm = readAlgorithm(name);
  if (name === undefined) return undefined;
  if (!algorithm) throw new S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.");
  const chosen = (type ?? (algorithm === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE")) as ChecksumType;
  const impossible =
    (chosen === "COMPOSITE" && algorithm === "CRC64NVME") ||
    (chosen === "FULL_OBJECT" && algorithm.startsWith("SHA")) ||
    !["COMPOSITE", "FULL_OBJECT"].includes(chosen);
  if (!impossible) return { algorithm, type: chosen };
  const message = `The ${chosen} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`;
  throw new S3Error("InvalidRequest", message);
}

/** @throws S3Error NoSuchBucket, NoSuchUpload */
export function findUpload({ store, info }: Exchange): { bucket: S3Bucket; upload: S3Upload } {
  const bucket = store.bucket(info.bucket);
  const id = info.query.get("uploadId") ?? "";
  const upload = bucket.uploads.get(id);
  if (!upload || upload.key !== info.key) throw new S3Error("NoSuchUpload", undefined, { UploadId: id });
  return { bucket, upload };
}

export const uploadPart: Handler = async (exchange) => {
  const { store, info, header } = exchange;
  const { upload } = findUpload(exchange);
  const number = Number(info.query.get("partNumber"));
  if (!Number.isInteger(number) || number < 1 || number > 10_000) {
    throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
  }
  if (header("x-amz-copy-source") !== undefined) throw new S3Error("NotImplemented");
  const path = store.newPath();
  const { bytes, md5, checksum } = await receiveFile(exchange, path);
  try {
    // It may have been completed or aborted meanwhile.
    findUpload(exchange);
    if (upload.checksum && upload.checksum.algorithm !== checksum?.algorithm) {
      const names = [upload.checksum.algorithm, checksum?.algorithm ?? "null"].map((name) =>
        name.toLowerCase(),
      );
      const message = `Checksum Type mismatch occurred, expected checksum Type: ${names[0]}, actual checksum Type: ${names[1]}`;
      throw new S3Error("InvalidRequest", message);
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  const before = upload.parts.get(number);
  upload.parts.set(number, { number, path, bytes, etag: md5, checksum, lastModified: new Date() });
  if (before) await rm(before.path, { force: true });
  return {
    headers: {
      etag: `"${md5}"`,
      ...(checksum && { [checksumHeader(checksum.algorithm)]: checksum.value }),
      ...encryptionHeaders(upload.settings),
    },
  };
};

export const abortUpload: Handler = async (exchange) => {
  const { bucket, upload } = findUpload(exchange);
  bucket.uploads.delete(upload.id);
  await removeParts([...upload.parts.values()]);
  return { status: 204 };
};

export async function removeParts(parts: readonly S3Part[]): Promise<void> {
  await Promise.all(parts.map(({ path }) => rm(path, { force: true })));
}

export const listParts: Handler = (exchange) => {
  const { bucket, upload } = findUpload(exchange);
  const { query } = exchange.info;
  const limit = pageLimit(query, "max-parts");
  const marker = Number(query.get("part-number-marker") ?? 0);
  const later = [...upload.parts.values()]
    .filter(({ number }) => number > marker)
    .sort((a, b) => a.number - b.number);
  const page = later.slice(0, limit);
  return {
    body: xmlDocument("ListPartsResult", {
      Bucket: bucket.name,
      Key: upload.key,
      UploadId: upload.id,
      StorageClass: upload.settings.storageClass,
      ChecksumAlgorithm: upload.checksum?.algorithm,
      ChecksumType: upload.checksum?.type,
      PartNumberMarker: marker,
      NextPartNumberMarker: page.at(-1)?.number,
      MaxParts: limit,
      IsTruncated: later.length > limit,
      Part: page.map(({ number, lastModified, etag, bytes, checksum }) => ({
        PartNumber: number,
        LastModified: lastModified.toISOString(),
        ETag: `"${etag}"`,
        Size: bytes,
        ...(checksum && { [`Checksum${checksum.algorithm}`]: checksum.value }),
      })),
    }),
  };
};

export const listUploads: Handler = ({ store, info }) => {
  const { uploads, name } = store.bucket(info.bucket);
  const { query } = info;
  const encode = encoder(query);
  const prefix = query.get("prefix") ?? "";
  const keyMarker = query.get("key-marker") ?? "";
  const idMarker = query.get("upload-id-marker") ?? "";
  const limit = pageLimit(query, "max-uploads");
  const later = [...uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .sort((a, b) => compareKeys(a.key, b.key) || compareKeys(a.id, b.id))
    .filter(({ key, id }) => {
      const order = compareKeys(key, keyMarker);
      return order > 0 || (order === 0 && idMarker !== "" && compareKeys(id, idMarker) > 0);
    });
  const page = later.slice(0, limit);
  const truncated = later.length > limit;
  const last = truncated ? page.at(-1) : undefined;
  return {
    body: xmlDocument("ListMultipartUploadsResult", {
      Bucket: name,
      Prefix: encode(prefix),
      KeyMarker: encode(keyMarker),
      UploadIdMarker: idMarker,
      NextKeyMarker: encode(last?.key),
      NextUploadIdMarker: last?.id,
      EncodingType: query.get("encoding-type") ?? undefined,
      MaxUploads: limit,
      IsTruncated: truncated,
      Upload: page.map(({ key, id, initiated, settings, checksum }) => ({
        Key: encode(key),
        UploadId: id,
        StorageClass: settings.storageClass,
        Initiated: initiated.toISOString(),
        ChecksumAlgorithm: checksum?.algorithm,
        ChecksumType: checksum?.type,
      })),
    }),
  };
};
