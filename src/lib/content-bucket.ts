import type { DataSource } from "./types";

/** Content that lies in a bucket. */
export interface BucketObject {
  /** Without the prefix that all have in common. */
  name: string;
  /** In bytes. */
  size: number;
  /** When it was put, in milliseconds since the epoch, by the clock of the bucket's server. */
  modifiedMs: number;
}

/**
 * Objects below one prefix of a bucket, for machines that share content.
 * @throws DeliveryError and nothing else, of whatever kind fits
 */
export interface ContentBucket {
  /** For people: `s3://bucket/prefix`. */
  readonly location: string;
  /** Puts it there whole or not at all, checked, over what may be there. */
  put(name: string, source: DataSource): Promise<void>;
  look(name: string): Promise<BucketObject | undefined>;
  /** All of it, in order. Where the connection breaks in the middle, the rest is asked for. */
  read(object: BucketObject): AsyncIterable<Uint8Array>;
  list(): Promise<BucketObject[]>;
  /** It is gone afterwards, whether or not it was there. */
  remove(name: string): Promise<void>;
}
