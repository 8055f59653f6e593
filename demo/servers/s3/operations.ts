import type { IncomingHttpHeaders } from "node:http";
import { S3Error } from "./errors";

/** `method what?subresource` → what AWS calls it. */
const operations = {
  "GET service": "ListBuckets",
  "POST service": "AssumeRole",
  "PUT bucket": "CreateBucket",
  "HEAD bucket": "HeadBucket",
  "DELETE bucket": "DeleteBucket",
  "GET bucket": "ListObjects",
  "GET bucket?location": "GetBucketLocation",
  "GET bucket?uploads": "ListMultipartUploads",
  "GET bucket?lifecycle": "GetBucketLifecycleConfiguration",
  "PUT bucket?lifecycle": "PutBucketLifecycleConfiguration",
  "DELETE bucket?lifecycle": "DeleteBucketLifecycle",
  "POST bucket?delete": "DeleteObjects",
  "PUT object": "PutObject",
  "GET object": "GetObject",
  "HEAD object": "HeadObject",
  "DELETE object": "DeleteObject",
  "GET object?tagging": "GetObjectTagging",
  "PUT object?tagging": "PutObjectTagging",
  "POST object?uploads": "CreateMultipartUpload",
  "PUT object?uploadId": "UploadPart",
  "GET object?uploadId": "ListParts",
  "POST object?uploadId": "CompleteMultipartUpload",
  "DELETE object?uploadId": "AbortMultipartUpload",
} as const;

/** `ListObjects` is followed by `V2` when the client asks for that. */
export type S3Operation = (typeof operations)[keyof typeof operations] | "ListObjectsV2";

export interface S3RequestInfo {
  readonly operation: S3Operation | "Unknown";
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
}

/** Queries that ask for something other than the object or the list, whether it exists here or not. */
const subresources =
  "accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle location logging metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication requestPayment restore retention select tagging torrent uploadId uploads versionId versioning versions website".split(
    " ",
  );

export function operationOf(
  method: string,
  { bucket, key }: { bucket: string | undefined; key: string | undefined },
  query: URLSearchParams,
): S3Operation | "Unknown" {
  const target = bucket === undefined ? "service" : key === undefined ? "bucket" : "object";
  const subresource = subresources.find((name) => query.has(name));
  const name = `${method} ${target}${subresource === undefined ? "" : `?${subresource}`}`;
  const operation = (operations as Partial<Record<string, S3Operation>>)[name] ?? "Unknown";
  return operation === "ListObjects" && query.get("list-type") === "2" ? "ListObjectsV2" : operation;
}

/**
 * Finds bucket and key in the host name (`bucket.localhost`) or else in the path.
 * @param path as it was sent
 * @param domain `localhost`: a host name that ends in it begins with the bucket
 * @throws S3Error InvalidURI
 */
export function locate(path: string, host: string, domain: string) {
  const name = decodePath(path).slice(1);
  const hostname = host.replace(/:\d+$/, "").toLowerCase();
  if (hostname.endsWith(`.${domain}`)) {
    return { bucket: hostname.slice(0, -domain.length - 1), key: name === "" ? undefined : name };
  }
  const slash = name.indexOf("/");
  const bucket = slash < 0 ? name : name.slice(0, slash);
  const key = slash < 0 ? "" : name.slice(slash + 1);
  return { bucket: bucket === "" ? undefined : bucket, key: key === "" ? undefined : key };
}

/** @throws S3Error InvalidURI */
export function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new S3Error("InvalidURI");
  }
}
