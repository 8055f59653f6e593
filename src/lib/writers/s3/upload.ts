import { type ContentParts, openContent, type Part } from "./content-parts";
import { uploadInParts } from "./multipart";
import { bodyChecksum, onlyIfAbsent, type Published, type Reply, type UploadJob } from "./upload-job";

/**
 * Reads the source once and sends it: in one request when it fits into a part, else in parts.
 * @throws DeliveryError, or whatever the source throws, when the content could not be sent. Nothing is
 *   then left at the store but parts that another attempt can go on with.
 */
export async function upload(job: UploadJob): Promise<Published> {
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  if (job.signal.aborted) onAbort();
  job.signal.addEventListener("abort", onAbort, { once: true });
  let content: ContentParts | undefined;
  try {
    content = await openContent(job.source, job.partSizeBytes, stop.signal);
    const first = await content.next();
    if (await endedOrReleased(content, first)) return await putWhole(job, content, first);
    return await uploadInParts(job, content, first, stop);
  } finally {
    job.signal.removeEventListener("abort", onAbort);
    content?.close();
  }
}

async function endedOrReleased(content: ContentParts, first: Part): Promise<boolean> {
  try {
    return await content.ended();
  } catch (error) {
    first.release(false);
    throw error;
  }
}

async function putWhole(job: UploadJob, content: ContentParts, { body, release }: Part): Promise<Published> {
  try {
    const { bytes, sha256 } = content.finish();
    const outcome = await put(job, body, sha256).catch((error: unknown) =>
      job.connection.explain(error, { step: "store", bucket: job.bucket, key: job.key }),
    );
    job.onProgress("kind" in outcome ? 0 : bytes);
    return { bytes, sha256, outcome, end: async () => {} };
  } finally {
    release(false);
  }
}

async function put(job: UploadJob, body: Buffer, sha256: string): Promise<Reply> {
  const { connection, key, signal } = job;
  const { PutObjectCommand } = await connection.sdk();
  const checksum = bodyChecksum(job, body);
  const command = new PutObjectCommand({
    ...job.headers(sha256),
    ...onlyIfAbsent(job),
    ...checksum.input,
    Key: key,
    // A buffer, not a stream: it can be sent again, and the SDK sends its length and checksum ahead.
    Body: body,
    ContentLength: body.length,
  });
  const answer = await connection.send((client, options) => client.send(command, options), {
    signal,
    bytes: body.length,
    onRepeat: job.onRepeat,
  });
  return {
    etag: answer.ETag || undefined,
    versionId: answer.VersionId,
    checksummed: checksum.echoed(answer),
  };
}
