import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Checksum, ChecksumAlgorithm, ChecksumType } from "./checksums";
import type { Content } from "./content";
import { S3Error } from "./errors";

/** What a client says of an object beside its content. */
export interface ObjectSettings {
  contentType: string;
  /** content-disposition, cache-control and the like, by their names in lower case. */
  headers: Record<string, string>;
  /** Without `x-amz-meta-`. */
  metadata: Record<string, string>;
  tags: Record<string, string>;
  storageClass: string;
  encryption: { algorithm: string; kmsKeyId?: string } | undefined;
  acl: string;
}

export interface S3Object {
  readonly key: string;
  readonly bytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly lastModified: Date;
  readonly settings: ObjectSettings;
  readonly checksum: Checksum | undefined;
  readonly content: Content;
  /** Of the parts, if it came in parts. */
  readonly partBytes: readonly number[];
}

export interface S3Part {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  readonly etag: string;
  readonly checksum: { algorithm: ChecksumAlgorithm; value: string } | undefined;
  readonly lastModified: Date;
}

export interface S3Upload {
  readonly id: string;
  readonly key: string;
  readonly initiated: Date;
  readonly settings: ObjectSettings;
  readonly checksum: { algorithm: ChecksumAlgorithm; type: ChecksumType } | undefined;
  readonly parts: Map<number, S3Part>;
}

export interface S3Bucket {
  readonly name: string;
  readonly region: string;
  readonly createdAt: Date;
  readonly objects: Map<string, S3Object>;
  /** Multipart uploads that are neither complete nor aborted, by id. */
  readonly uploads: Map<string, S3Upload>;
  /** The XML as it was put. */
  lifecycle: string | undefined;
}

/** Everything that the server keeps: contents in files below `folder`, the rest in memory. */
export interface Store {
  readonly buckets: Map<string, S3Bucket>;
  readonly minPartBytes: number;
  /** A name for a new file. */
  newPath(): string;
  createBucket(name: string, region: string): S3Bucket;
  /** @throws S3Error NoSuchBucket */
  bucket(name: string | undefined): S3Bucket;
  /** @throws S3Error NoSuchBucket, NoSuchKey */
  object(bucket: string | undefined, key: string | undefined): S3Object;
}

export function createStore(
  folder: string,
  minPartBytes: number,
  buckets = new Map<string, S3Bucket>(),
): Store {
  return {
    buckets,
    minPartBytes,
    newPath: () => join(folder, randomBytes(16).toString("hex")),
    createBucket(name, region) {
      if (!/^(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
        throw new S3Error("InvalidBucketName", undefined, { BucketName: name });
      }
      if (buckets.has(name)) throw new S3Error("BucketAlreadyOwnedByYou", undefined, { BucketName: name });
      const bucket: S3Bucket = {
        name,
        region,
        createdAt: new Date(),
        objects: new Map(),
        uploads: new Map(),
        lifecycle: undefined,
      };
      buckets.set(name, bucket);
      return bucket;
    },
    bucket(name = "") {
      const bucket = buckets.get(name);
      if (!bucket) throw new S3Error("NoSuchBucket", undefined, { BucketName: name });
      return bucket;
    },
    object(bucket, key = "") {
      const object = this.bucket(bucket).objects.get(key);
      if (!object) throw new S3Error("NoSuchKey", undefined, { Key: key });
      return object;
    },
  };
}
