import { randomUUID } from "node:crypto";
import path from "node:path";
import {
  type BucketSpoolOptions,
  type ContentBucket,
  createAbsentSpool,
  createBucketSpool,
  createLazySpool,
  createS3ContentBucket,
  createSpool,
  createUnfinishedUploads,
  DeliveryError,
  type DeliveryStore,
  readBucketName,
  readOptions,
  type S3Connection,
  type Spool,
} from "../../lib";
import type { Engine } from "../shared/engine";
import type { KeepLimits } from "../shared/keep-limits";
import { findSharedFolder, notMounted } from "./shared-folder";

/** Where content lies that every Node-RED has to reach which shares a store. */
export type SharedContent =
  | { in: "nowhere" }
  | { in: "folder"; folder: string }
  | {
      in: "bucket";
      /** The id of the S3 connection node. */
      connection: string;
      bucket: string;
      /** Of all keys, without a slash at its end. */
      prefix: string;
    };

export interface SpoolContext {
  /** The engine of this Node-RED, in whose spool data sources put their content. */
  own: Engine;
  limits: KeepLimits;
  /** @throws DeliveryError `invalid` when there is no such connection, or it is badly set up */
  connect(connectionId: string): { connection: S3Connection; release: () => void };
}

const absolute = { pattern: /^(\/|[a-z]:[\\/]|\\\\)/i, must: "an absolute path" };
const folders = {
  pattern: /^(?!\.{1,2}(\/|$))[\w!.*'()-]+(\/(?!\.{1,2}(\/|$))[\w!.*'()-]+)*\/?$/,
  must: "the names of folders such as shared/deliveries",
};

/** @throws DeliveryError `invalid` that lists every problem */
export function readSharedContent(input: object): SharedContent {
  return readOptions("Delivery store", input, (options): SharedContent => {
    if (options.choice("spool", ["folder", "bucket"], "folder") === "folder") {
      const folder = options.optionalString("spoolFolder", absolute);
      return folder === undefined ? { in: "nowhere" } : { in: "folder", folder };
    }
    return {
      in: "bucket",
      connection: options.string("spoolConnection"),
      bucket: readBucketName(options, "spoolBucket"),
      prefix: (options.optionalString("spoolPrefix", folders) ?? "data-distribution").replace(/\/$/, ""),
    };
  });
}

/** Each store has a part of its own: what it does not need, another one may. */
export function createSharedSpool(
  content: SharedContent,
  store: DeliveryStore,
  context: SpoolContext,
): Spool {
  if (content.in === "nowhere") return createAbsentSpool();
  let opened: (() => Promise<Spool>) | undefined;
  return createLazySpool(async () => {
    if (!opened) {
      const identity = await store.agree("identity", randomUUID());
      opened =
        content.in === "folder"
          ? await inFolder(content.folder, identity, store, context)
          : inBucket(content, identity, context);
    }
    return opened();
  });
}

const limitsOf = ({ limits: { ageMs, bytes } }: SpoolContext) => ({ maxAgeMs: ageMs, maxBytes: bytes });

async function inFolder(folder: string, identity: string, store: DeliveryStore, context: SpoolContext) {
  const own = path.join(folder, "data-distribution", identity);
  const isTheSame = await findSharedFolder(folder, own, store);
  const spool = createSpool({ folder: own, ...limitsOf(context) });
  return async () => {
    if (await isTheSame()) return spool;
    throw new DeliveryError(
      "local",
      `The shared folder ${folder} of the delivery store is not the one that was there before, or that other ` +
        "Node-REDs see. Mount it. If it was moved, bring what was in it along, or name it otherwise.",
      { code: notMounted },
    );
  };
}

function inBucket(
  { connection: connectionId, bucket, prefix }: SharedContent & { in: "bucket" },
  identity: string,
  context: SpoolContext,
): () => Promise<Spool> {
  const { own, connect } = context;
  const { unfinishedFolder: folder } = own;
  const unfinished = folder === undefined ? {} : { unfinished: createUnfinishedUploads({ folder }) };
  const buckets = new WeakMap<S3Connection, ContentBucket>();
  const bucketOf = (connection: S3Connection): ContentBucket => {
    const place = { bucket, prefix: `${prefix}/${identity}/` };
    const made = buckets.get(connection) ?? createS3ContentBucket(connection, place, unfinished);
    buckets.set(connection, made);
    return made;
  };
  // A deploy may make another connection; the store, and what it keeps, stays.
  const use: BucketSpoolOptions["use"] = async (work) => {
    const { connection, release } = connect(connectionId);
    try {
      return await work(bucketOf(connection));
    } finally {
      release();
    }
  };
  const spool = createBucketSpool({ near: own.spool, use, ...limitsOf(context) });
  return async () => spool;
}
