import type { UploadJob } from "./upload-job";

/** Uploads that this process is working on: the store's clock may be behind ours. */
const ours = new Set<string>();
const processStartedAt = Date.now() - process.uptime() * 1000;

export function noteUpload(uploadId: string): void {
  ours.add(uploadId);
}

export function forgetUpload(uploadId: string): void {
  ours.delete(uploadId);
}

/**
 * Removes the parts that a killed process left under the same key: nobody sees them, but they are paid for.
 * Only uploads begun before this process are touched, so that two that run never end each other's.
 * Keys without the permission to list or abort uploads leave them to the bucket's lifecycle rules.
 * @throws whatever the SDK throws when the signal is aborted
 */
export async function abortStaleUploads({ connection, bucket, key, signal }: UploadJob): Promise<void> {
  const { AbortMultipartUploadCommand, ListMultipartUploadsCommand } = await connection.sdk();
  const list = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key });
  try {
    const { Uploads = [] } = await connection.send((client, options) => client.send(list, options), {
      signal,
    });
    for (const { Key, UploadId, Initiated } of Uploads) {
      const stale = Initiated !== undefined && Initiated.getTime() < processStartedAt;
      if (Key !== key || UploadId === undefined || !stale || ours.has(UploadId)) continue;
      const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId });
      await connection.send((client, options) => client.send(abort, options), { signal });
    }
  } catch (error) {
    if (signal.aborted) throw error;
  }
}
