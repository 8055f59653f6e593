import type { PutObjectCommandInput } from "@aws-sdk/client-s3";
import { DeliveryError } from "../../errors";
import type { WriteRequest } from "../../types";
import { encodeUserMetadata } from "./metadata";
import type { S3WriterOptions } from "./options";

/** What PutObject and CreateMultipartUpload have in common. */
export type ObjectHeaders = Pick<
  PutObjectCommandInput,
  | "Bucket"
  | "ContentType"
  | "ContentDisposition"
  | "CacheControl"
  | "Metadata"
  | "Tagging"
  | "StorageClass"
  | "ServerSideEncryption"
  | "SSEKMSKeyId"
  | "ACL"
>;

/** User metadata that a later attempt, and the check after the upload, know our object by. */
export const deliveryIdName = "delivery-id";
export const sha256Name = "sha256";

/**
 * How the object is to be stored.
 * @param contentType for a delivery that has none
 * @throws DeliveryError `rejected` for metadata or tags that S3 does not take, `invalid` for a header that
 *   cannot be sent
 */
export function objectHeaders(
  request: WriteRequest,
  options: S3WriterOptions,
  { contentType, sha256 }: { contentType: string; sha256: string | undefined },
): ObjectHeaders {
  const { attributes } = request;
  const metadata = encodeUserMetadata(options.metadata, request.metadata, {
    [deliveryIdName]: request.deliveryId,
    ...(sha256 !== undefined && { [sha256Name]: sha256 }),
  });
  const tagging = encodeTags(attributes);
  const disposition = present(attributes.contentDisposition);
  const cacheControl = present(attributes.cacheControl);
  return {
    Bucket: options.bucket,
    ContentType: headerValue("content type", request.contentType ?? contentType),
    Metadata: metadata,
    ...(disposition !== undefined && { ContentDisposition: encodeDisposition(disposition) }),
    ...(cacheControl !== undefined && { CacheControl: headerValue("cache control", cacheControl) }),
    ...(tagging !== "" && { Tagging: tagging }),
    ...(options.storageClass !== undefined && {
      StorageClass: options.storageClass as NonNullable<PutObjectCommandInput["StorageClass"]>,
    }),
    ...(options.encryption !== undefined && { ServerSideEncryption: options.encryption }),
    ...(options.kmsKeyId !== undefined && { SSEKMSKeyId: options.kmsKeyId }),
    ...(options.acl !== undefined && { ACL: options.acl }),
  };
}

function present(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}

function headerValue(name: string, value: string): string {
  if (/^[\x20-\x7e]+$/.test(value)) return value;
  throw new DeliveryError(
    "invalid",
    `The ${name} ${JSON.stringify(value)} holds characters that a header cannot carry. Use plain ASCII on one line.`,
  );
}

/** A file name outside of ASCII goes into `filename*`, with a plain one for old clients: RFC 6266 §4.3. */
function encodeDisposition(value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  const [, kind, name] = /^([\w-]+)\s*;\s*filename\s*=\s*"?([^"\r\n]+?)"?\s*$/i.exec(value) ?? [];
  if (kind === undefined || name === undefined) return headerValue("content disposition", value);
  const plain = name.replace(/[^\x20-\x7e]/gu, "_");
  return headerValue(
    "content disposition",
    `${kind}; filename="${plain}"; filename*=UTF-8''${percent(name)}`,
  );
}

/** RFC 8187 §3.2.1 lets fewer characters stand for themselves than `encodeURIComponent`. */
function percent(text: string): string {
  return encodeURIComponent(text).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * Tags come as `tags`, a query string, or one by one as `tag:<name>`.
 * S3 takes ten, with names up to 128 and values up to 256 characters (AWS: Categorizing your storage using
 * tags).
 */
function encodeTags(attributes: WriteRequest["attributes"]): string {
  const tags = new Map<string, string>(new URLSearchParams(attributes.tags ?? ""));
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("tag:") && attribute.length > 4) tags.set(attribute.slice(4), value);
  }
  const refuse = (reason: string) => new DeliveryError("rejected", `${reason} S3 does not take that.`);
  if (tags.size > 10) throw refuse(`There are ${tags.size} tags; at most 10 are allowed.`);
  for (const [name, value] of tags) {
    if (name === "" || name.length > 128) throw refuse(`The tag "${name}" must have 1 to 128 characters.`);
    if (value.length > 256) throw refuse(`The value of the tag "${name}" is longer than 256 characters.`);
    const odd = /[^\p{L}\p{Z}\p{N}_.:/=+\-@]/u.exec(name + value)?.[0];
    if (odd !== undefined) throw refuse(`The tag "${name}" holds the character ${JSON.stringify(odd)}.`);
  }
  return [...tags].map(([name, value]) => `${percent(name)}=${percent(value)}`).join("&");
}
