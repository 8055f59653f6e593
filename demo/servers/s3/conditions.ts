import { S3Error } from "./errors";
import type { Exchange } from "./exchange";
import type { S3Object } from "./store";

/**
 * Looks at the conditions of PutObject and CompleteMultipartUpload, at the moment of publishing.
 * @throws S3Error PreconditionFailed, NoSuchKey, NotImplemented
 */
export function checkWriteConditions({ header, info }: Exchange, existing: S3Object | undefined): void {
  const ifNoneMatch = header("if-none-match");
  const ifMatch = header("if-match");
  // Amazon S3 knows no other form of it for writes.
  if (ifNoneMatch !== undefined && ifNoneMatch !== "*") throw new S3Error("NotImplemented");
  if (ifNoneMatch !== undefined && existing) throw failed("If-None-Match");
  if (ifMatch === undefined) return;
  if (!existing) throw new S3Error("NoSuchKey", undefined, { Key: info.key ?? "" });
  if (!matches(ifMatch, existing)) throw failed("If-Match");
}

/**
 * Conditions of GetObject and HeadObject (RFC 9110 §13.2.2).
 * @returns whether the client has it already: answer 304
 * @throws S3Error PreconditionFailed
 */
export function checkReadConditions({ header }: Exchange, object: S3Object): boolean {
  const ifMatch = header("if-match");
  const ifNoneMatch = header("if-none-match");
  const modifiedAt = Math.floor(object.lastModified.getTime() / 1000) * 1000;
  const isAfter = (name: string) => {
    const time = Date.parse(header(name) ?? "");
    return Number.isNaN(time) ? undefined : modifiedAt > time;
  };
  if (ifMatch !== undefined && !matches(ifMatch, object)) throw failed("If-Match");
  if (ifMatch === undefined && isAfter("if-unmodified-since")) throw failed("If-Unmodified-Since");
  return ifNoneMatch === undefined ? isAfter("if-modified-since") === false : matches(ifNoneMatch, object);
}

function matches(header: string, { etag }: S3Object): boolean {
  return header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^"|"$/g, "") === etag);
}

const failed = (condition: string) => new S3Error("PreconditionFailed", undefined, { Condition: condition });
