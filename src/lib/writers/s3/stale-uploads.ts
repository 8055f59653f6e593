import type { S3Connection } from "./connection";
import type { UnfinishedUpload, UnfinishedUploads } from "./unfinished-uploads";
import type { UploadJob } from "./upload-job";

/** Uploads that this process is working on: the store's clock may be behind ours. */
const ours = new Set<string>();
const processStartedAt = Date.now() - process.uptime() * 1000;
const hourMs = 60 * 60_000;
/** What nobody has worked on for so long is not waited for any more. */
const keptForMs = 24 * hourMs;
/** For removing parts, also after an abort; shorter than the time that Node-RED gives for closing. */
const abortTimeoutMs = 8_000;

export function noteUpload(uploadId: string): void {
  ours.add(uploadId);
}

export function forgetUpload(uploadId: string): void {
  ours.delete(uploadId);
}

/**
 * With a signal of its own: the delivery's may be why. Never fails.
 * @returns whether it is gone, or nothing can be done about it
 */
export async function abortUpload(
  connection: S3Connection,
  { bucket, key, uploadId }: Pick<UnfinishedUpload, "bucket" | "key" | "uploadId">,
): Promise<boolean> {
  try {
    const { AbortMultipartUploadCommand } = await connection.sdk();
    const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
    await connection.send((client, options) => client.send(command, options), {
      signal: AbortSignal.timeout(abortTimeoutMs),
    });
    return true;
  } catch (error) {
    const { kind, code } = connection.explain(error, { step: "store", bucket, key });
    // Keys without the permission leave it to the bucket's lifecycle rules.
    return code === "NoSuchUpload" || !["unavailable", "throttled", "cancelled"].includes(kind);
  }
}

/**
 * Nobody will go on with what this delivery has left at the store, in whichever bucket: its writer may have
 * been given another one since. Never fails.
 */
export async function dropUnfinished(
  connection: S3Connection,
  unfinished: UnfinishedUploads | undefined,
  deliveryId: string,
): Promise<void> {
  const upload = await unfinished?.get(deliveryId);
  if (upload?.endpoint !== connection.description) return;
  if (await abortUpload(connection, upload)) await unfinished?.delete(deliveryId);
}

/**
 * Removes the parts that a killed process left under the same key: nobody sees them, but they are paid for.
 * Where unfinished uploads are noted they may still be wanted, also by another process, for a day. Where not,
 * only those begun before this process are touched, so that two that run never end each other's.
 * Keys without the permission to list or abort uploads leave them to the bucket's lifecycle rules.
 * @throws whatever the SDK throws when the signal is aborted
 */
export async function abortStaleUploads({
  connection,
  bucket,
  key,
  signal,
  unfinished,
}: UploadJob): Promise<void> {
  const { ListMultipartUploadsCommand } = await connection.sdk();
  const list = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key });
  const staleBefore = unfinished ? Date.now() - keptForMs : processStartedAt;
  try {
    const { Uploads = [] } = await connection.send((client, options) => client.send(list, options), {
      signal,
    });
    for (const { Key, UploadId, Initiated } of Uploads) {
      const stale = Initiated !== undefined && Initiated.getTime() < staleBefore;
      if (Key !== key || UploadId === undefined || !stale || ours.has(UploadId)) continue;
      await abortUpload(connection, { bucket, key, uploadId: UploadId });
    }
  } catch (error) {
    if (signal.aborted) throw error;
  }
}

/** Removes, at most once an hour, what was noted in this bucket and is not waited for any more. Never fails. */
export function createSweep(
  connection: S3Connection,
  bucket: string,
  unfinished: UnfinishedUploads | undefined,
): () => Promise<void> {
  let sweptMs: number | undefined;
  return async () => {
    if (!unfinished || (sweptMs !== undefined && performance.now() - sweptMs < hourMs)) return;
    sweptMs = performance.now();
    for (const { upload, remove } of await unfinished.idle(keptForMs)) {
      const elsewhere = upload.endpoint !== connection.description || upload.bucket !== bucket;
      if (elsewhere || ours.has(upload.uploadId)) continue;
      if (await abortUpload(connection, upload)) await remove();
    }
  };
}
