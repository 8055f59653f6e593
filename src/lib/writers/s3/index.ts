import type { ContentBucket } from "../../content-bucket";
import { classifyCommonError, DeliveryError } from "../../errors";
import type { AttemptContext, Receipt, Writer } from "../../types";
import { splitTargetName } from "../target-name";
import { createBucketKeeper } from "./bucket";
import type { S3Connection } from "./connection";
import { contentBelow } from "./content-bucket";
import { type Attempt, type Delivered, deliver } from "./deliver";
import { interrupted } from "./errors";
import { presignLink } from "./link";
import { readS3WriterOptions, type S3WriterOptions } from "./options";
import { createSweep, dropUnfinished } from "./stale-uploads";
import type { UnfinishedUploads } from "./unfinished-uploads";

export { createS3Connection, type S3Connection } from "./connection";
export * from "./options";
export { createUnfinishedUploads, type UnfinishedUploads } from "./unfinished-uploads";

/** AWS: Naming Amazon S3 objects. */
const maxKeyBytes = 1024;

/**
 * Writes objects into one bucket. The connection stays its maker's to close.
 * @param unfinished where an upload in parts is noted that failed of something that passes: its parts stay,
 *   and the delivery's next attempt sends only the others. They go when it is abandoned, or with a later
 *   delivery when nobody has worked on them for a day. Without it a failed attempt leaves nothing.
 */
export function createS3Writer(
  connection: S3Connection,
  options: S3WriterOptions,
  { unfinished }: { unfinished?: UnfinishedUploads } = {},
): Writer {
  const keeper = createBucketKeeper(connection, options);
  const sweep = createSweep(connection, options.bucket, unfinished);
  const locationOf = (key: string) => `s3://${options.bucket}/${key}`;
  return {
    type: "s3",
    locate: (target) => locationOf(keyOf(target)),
    async write(source, request, context) {
      const { signal } = context;
      try {
        const key = keyOf(request.target);
        if (signal.aborted) throw interrupted();
        await keeper.ensure(signal);
        await sweep();
        const startPass = passCounter(context);
        const attempt = { connection, options, source, request, signal, unfinished, startPass };
        const delivered = await deliver(attempt, key);
        return await receiptFor(connection, options, locationOf(delivered.key), delivered);
      } catch (error) {
        const explained = asDeliveryError(error, signal);
        if (explained.code === "NoSuchBucket") keeper.forget();
        throw explained;
      }
    },
    abandon: (deliveryId) => dropUnfinished(connection, unfinished, deliveryId),
    async close() {},
  };
}

/**
 * Objects below a prefix of a bucket. The keys must be allowed to list the bucket, and to put, get and delete
 * objects there. The connection stays its maker's to close.
 * @param prefix of all keys: it ends in a slash, or is empty
 * @param unfinished as with `createS3Writer`
 */
export function createS3ContentBucket(
  connection: S3Connection,
  { bucket, prefix }: { bucket: string; prefix: string },
  context: { unfinished?: UnfinishedUploads } = {},
): ContentBucket {
  const writer = createS3Writer(connection, readS3WriterOptions({ bucket }), context);
  return contentBelow(connection, writer, { bucket, prefix });
}

/** @throws DeliveryError `invalid` */
function keyOf(target: string): string {
  const key = splitTargetName(target).join("/");
  const bytes = Buffer.byteLength(key);
  if (bytes <= maxKeyBytes) return key;
  throw new DeliveryError(
    "invalid",
    `The name is ${bytes} bytes long; S3 takes at most ${maxKeyBytes}. Shorten it.`,
  );
}

/** What is sent again under another name is told once. */
function passCounter({ onProgress }: AttemptContext): Attempt["startPass"] {
  let told = 0;
  return () => {
    let sent = 0;
    return (bytes) => {
      sent += bytes;
      if (sent <= told) return;
      onProgress(sent - told);
      told = sent;
    };
  };
}

async function receiptFor(
  connection: S3Connection,
  { bucket, linkExpiresInSeconds }: S3WriterOptions,
  location: string,
  { key, outcome, bytes, sha256, verified, etag, versionId, notes }: Delivered,
): Promise<Receipt> {
  const receipt: Receipt = {
    location,
    outcome,
    bytes,
    sha256,
    verified,
    ...(etag !== undefined && { etag: etag.replaceAll('"', "") }),
    ...(versionId !== undefined && { versionId }),
    notes,
  };
  if (linkExpiresInSeconds === undefined) return receipt;
  try {
    const { notes: linkNotes, ...link } = await presignLink(
      connection,
      { bucket, key },
      linkExpiresInSeconds,
    );
    return { ...receipt, ...link, notes: [...notes, ...linkNotes] };
  } catch (error) {
    // The content is delivered: sending it again would not help.
    const { message } = connection.explain(error, { step: "link", bucket, key });
    return { ...receipt, notes: [...notes, message] };
  }
}

/** What is not explained yet came from the source, or from the signal. */
function asDeliveryError(error: unknown, signal: AbortSignal): DeliveryError {
  if (signal.aborted) return interrupted();
  const known = classifyCommonError(error, "the source");
  if (known) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return new DeliveryError("unavailable", `The source could not be read: ${reason}`, { cause: error });
}
