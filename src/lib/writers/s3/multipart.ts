import type { CompletedPart } from "@aws-sdk/client-s3";
import { DeliveryError } from "../../errors";
import type { ContentParts, Part } from "./content-parts";
import { abortStaleUploads, forgetUpload, noteUpload } from "./stale-uploads";
import { bodyChecksum, onlyIfAbsent, type Published, type Reply, type UploadJob } from "./upload-job";

/** More would only take turns on the same line. */
const partsAtOnce = 3;
/** For removing the parts, also after an abort; shorter than the time that Node-RED gives for closing. */
const discardTimeoutMs = 8_000;

interface SentPart {
  part: CompletedPart;
  checksummed: boolean;
}

/**
 * A multipart upload: nobody sees the object before it is complete, and an old one stays until then.
 * @param stop ends the reading and the parts under way when one of them fails
 * @throws DeliveryError, or whatever the source throws; the parts are then removed
 */
export async function uploadInParts(
  job: UploadJob,
  content: ContentParts,
  first: Part,
  stop: AbortController,
): Promise<Published> {
  const { connection, bucket, key } = job;
  const explain = (error: unknown) => connection.explain(error, { step: "store", bucket, key });
  let uploadId: string;
  try {
    await abortStaleUploads(job);
    uploadId = await create(job);
  } catch (error) {
    first.release(false);
    throw explain(error);
  }
  noteUpload(uploadId);
  const discard = async () => {
    await abortUpload(job, uploadId);
    forgetUpload(uploadId);
  };
  try {
    const sent = await sendParts(job, uploadId, content, first, stop);
    const { bytes, sha256 } = content.finish();
    const outcome = await complete(job, uploadId, sent, bytes).catch(explain);
    if (!(outcome instanceof DeliveryError)) forgetUpload(uploadId);
    return { bytes, sha256, outcome, discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function create(job: UploadJob): Promise<string> {
  const { connection, source, key, signal } = job;
  const { CreateMultipartUploadCommand } = await connection.sdk();
  const command = new CreateMultipartUploadCommand({
    ...job.headers(source.sha256),
    Key: key,
    ...(connection.options.checksums === "supported" && { ChecksumAlgorithm: "CRC32" }),
  });
  const { UploadId } = await connection.send((client, options) => client.send(command, options), { signal });
  if (UploadId) return UploadId;
  throw new DeliveryError(
    "unavailable",
    `${connection.description} began no upload although it answered with success. Something in between may answer in its place.`,
  );
}

/** Sends as the content comes, a few parts at once. Ends only when no part is under way any more. */
async function sendParts(
  job: UploadJob,
  uploadId: string,
  content: ContentParts,
  first: Part,
  stop: AbortController,
): Promise<SentPart[]> {
  const sent: SentPart[] = [];
  const underWay = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown) => {
    // What fails afterwards fails because of the stop.
    failure ??= { error };
    stop.abort();
  };
  const begin = (part: Part) => {
    const work = sendPart(job, uploadId, part, stop.signal)
      .then((done) => {
        sent[part.n - 1] = done;
        part.release(true);
        job.onProgress(part.body.length);
      })
      .catch((error: unknown) => {
        part.release(false);
        fail(error);
      })
      .finally(() => underWay.delete(work));
    underWay.add(work);
  };
  try {
    begin(first);
    while (!failure && !(await content.ended())) {
      begin(await content.next());
      while (underWay.size >= partsAtOnce) await Promise.race(underWay);
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(underWay);
  if (failure) throw failure.error;
  return sent;
}

async function sendPart(
  job: UploadJob,
  uploadId: string,
  part: Part,
  signal: AbortSignal,
): Promise<SentPart> {
  const { connection, bucket, key } = job;
  const { UploadPartCommand } = await connection.sdk();
  const checksum = bodyChecksum(job, part.body);
  const command = new UploadPartCommand({
    ...checksum.input,
    Bucket: bucket,
    Key: key,
    UploadId: uploadId,
    PartNumber: part.n,
    Body: part.body,
    ContentLength: part.body.length,
  });
  try {
    const answer = await connection.send((client, options) => client.send(command, options), {
      signal,
      bytes: part.body.length,
    });
    if (!answer.ETag) throw noEtag(job, part.n);
    const { ETag, ChecksumCRC32 } = answer;
    return {
      part: { PartNumber: part.n, ETag, ...(ChecksumCRC32 !== undefined && { ChecksumCRC32 }) },
      checksummed: checksum.echoed(answer),
    };
  } catch (error) {
    throw connection.explain(error, { step: "store", bucket, key });
  }
}

function noEtag({ connection, bucket, key }: UploadJob, n: number): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `${connection.description} answered with success but without an ETag to part ${n} of s3://${bucket}/${key}. Something in between may answer in its place.`,
    { code: "NoETag" },
  );
}

async function complete(job: UploadJob, uploadId: string, sent: SentPart[], bytes: number): Promise<Reply> {
  const { connection, bucket, key, signal } = job;
  const { CompleteMultipartUploadCommand } = await connection.sdk();
  const command = new CompleteMultipartUploadCommand({
    ...onlyIfAbsent(job),
    Bucket: bucket,
    Key: key,
    UploadId: uploadId,
    MultipartUpload: { Parts: sent.map(({ part }) => part) },
    ...(connection.options.checksums === "supported" && { MpuObjectSize: bytes }),
  });
  // Putting the parts together may take minutes, in which S3 sends a blank now and then.
  const answer = await connection.send((client, options) => client.send(command, options), { signal, bytes });
  return {
    etag: answer.ETag || undefined,
    versionId: answer.VersionId,
    checksummed: sent.every(({ checksummed }) => checksummed),
  };
}

/** With a signal of its own: the delivery's may be why. What stays is removed by `abortStaleUploads`. */
async function abortUpload({ connection, bucket, key }: UploadJob, uploadId: string): Promise<void> {
  const { AbortMultipartUploadCommand } = await connection.sdk();
  const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
  await connection
    .send((client, options) => client.send(command, options), {
      signal: AbortSignal.timeout(discardTimeoutMs),
    })
    .catch(() => {});
}
