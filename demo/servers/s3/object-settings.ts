import { checksumHeader } from "./checksums";
import { S3Error } from "./errors";
import type { Exchange } from "./exchange";
import type { ObjectSettings, S3Object } from "./store";

const keptHeaders = ["cache-control", "content-disposition", "content-language", "expires"];
const storageClasses =
  "STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER DEEP_ARCHIVE GLACIER_IR".split(
    " ",
  );
const cannedAcls =
  "private public-read public-read-write authenticated-read aws-exec-read bucket-owner-read bucket-owner-full-control".split(
    " ",
  );
const maxMetadataBytes = 2048;
const maxKeyBytes = 1024;

/** @throws S3Error */
export function readSettings(exchange: Exchange): ObjectSettings {
  const { info, header } = exchange;
  if (Buffer.byteLength(info.key ?? "") > maxKeyBytes) throw new S3Error("KeyTooLongError");
  if (header("x-amz-copy-source") !== undefined) throw new S3Error("NotImplemented");
  const storageClass = header("x-amz-storage-class") ?? "STANDARD";
  if (!storageClasses.includes(storageClass)) throw new S3Error("InvalidStorageClass");
  const acl = header("x-amz-acl") ?? "private";
  if (!cannedAcls.includes(acl))
    throw new S3Error("InvalidArgument", undefined, { ArgumentName: "x-amz-acl" });
  return {
    contentType: header("content-type") ?? "binary/octet-stream",
    headers: readKeptHeaders(exchange),
    metadata: readMetadata(exchange),
    tags: readTags(new URLSearchParams(header("x-amz-tagging") ?? "")),
    storageClass,
    encryption: readEncryption(exchange),
    acl,
  };
}

function readKeptHeaders({ header }: Exchange): Record<string, string> {
  const kept = keptHeaders.map((name) => [name, header(name)] as const);
  // aws-chunked is how the body came, not what it is.
  const encodings =
    header("content-encoding")
      ?.split(",")
      .map((encoding) => encoding.trim()) ?? [];
  const encoding = encodings.filter((one) => one !== "aws-chunked" && one !== "").join(",");
  const found = [...kept, ["content-encoding", encoding] as const].filter(([, value]) => value);
  return Object.fromEntries(found as [string, string][]);
}

function readMetadata({ info }: Exchange): Record<string, string> {
  const prefix = "x-amz-meta-";
  const found = Object.entries(info.headers)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [name.slice(prefix.length), String(value)] as const);
  const bytes = found.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (bytes > maxMetadataBytes) throw new S3Error("MetadataTooLarge", undefined, { Size: String(bytes) });
  return Object.fromEntries(found);
}

/** @throws S3Error InvalidTag */
export function readTags(pairs: Iterable<[string, string]>): Record<string, string> {
  const tags = [...pairs];
  const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
  const fits = tags.every(
    ([name, value]) =>
      name !== "" && name.length <= 128 && value.length <= 256 && allowed.test(name) && allowed.test(value),
  );
  if (!fits || tags.length > 10 || new Set(tags.map(([name]) => name)).size < tags.length) {
    throw new S3Error("InvalidTag");
  }
  return Object.fromEntries(tags);
}

function readEncryption({ header }: Exchange): ObjectSettings["encryption"] {
  const algorithm = header("x-amz-server-side-encryption");
  const kmsKeyId = header("x-amz-server-side-encryption-aws-kms-key-id");
  if (algorithm === undefined && kmsKeyId === undefined) return undefined;
  const known = algorithm === "aws:kms" || (algorithm === "AES256" && kmsKeyId === undefined);
  if (!known) throw new S3Error("InvalidEncryptionAlgorithmError");
  return { algorithm, ...(kmsKeyId !== undefined && { kmsKeyId }) };
}

export function encryptionHeaders({ encryption }: ObjectSettings): Record<string, string> {
  if (!encryption) return {};
  const { algorithm, kmsKeyId } = encryption;
  return {
    "x-amz-server-side-encryption": algorithm,
    ...(kmsKeyId !== undefined && { "x-amz-server-side-encryption-aws-kms-key-id": kmsKeyId }),
  };
}

export function checksumHeaders({ checksum }: Pick<S3Object, "checksum">): Record<string, string> {
  if (!checksum) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, "x-amz-checksum-type": checksum.type };
}

/** The headers of GetObject and HeadObject, without length and range. */
export function objectHeaders(object: S3Object): Record<string, string | number> {
  const { settings, etag, lastModified } = object;
  const metadata = Object.entries(settings.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]);
  const tagCount = Object.keys(settings.tags).length;
  return {
    "content-type": settings.contentType,
    ...settings.headers,
    ...Object.fromEntries(metadata),
    ...encryptionHeaders(settings),
    ...(settings.storageClass !== "STANDARD" && { "x-amz-storage-class": settings.storageClass }),
    ...(tagCount > 0 && { "x-amz-tagging-count": tagCount }),
    "accept-ranges": "bytes",
    etag: `"${etag}"`,
    "last-modified": lastModified.toUTCString(),
  };
}
