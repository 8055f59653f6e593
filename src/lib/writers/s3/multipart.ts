import type { CompletedPart } from "@aws-sdk/client-s3";
import { DeliveryError } from "../../errors";
import type { ContentParts, Part } from "./content-parts";
import { describeUpload, findUnfinished, hasPart, type OpenUpload } from "./resume";
import { abortStaleUploads, abortUpload, forgetUpload, noteUpload } from "./stale-uploads";
import {
  bodyChecksum,
  falseSuccess,
  onlyIfAbsent,
  type Published,
  type Reply,
  type UploadJob,
} from "./upload-job";

/** More would only take turns on the same line. */
const partsAtOnce = 3;
const touchEveryMs = 10 * 60_000;

interface SentPart {
  part: CompletedPart;
  checksummed: boolean;
}

/**
 * A multipart upload: nobody sees the object before it is complete, and an old one stays until then. It goes
 * on with what an earlier attempt of the same delivery has left.
 * @param stop ends the reading and the parts under way when one of them fails
 * @throws DeliveryError, or whatever the source throws
 */
export async function uploadInParts(
  job: UploadJob,
  content: ContentParts,
  first: Part,
  stop: AbortController,
): Promise<Published> {
  const { connection, bucket, key } = job;
  const explain = (error: unknown) => connection.explain(error, { step: "store", bucket, key });
  let upload: OpenUpload;
  try {
    upload = (await findUnfinished(job)) ?? (await begin(job));
  } catch (error) {
    first.release(false);
    throw explain(error);
  }
  noteUpload(upload.uploadId);
  const sent: SentPart[] = [];
  const end = async (error?: unknown) => {
    const kept =
      error !== undefined && sent.length > 0 && canGoOn(job, error) && (await isNoted(job, upload));
    const gone =
      error === undefined || (!kept && (await abortUpload(connection, { ...upload, bucket, key })));
    if (gone) await job.unfinished?.delete(job.deliveryId);
    forgetUpload(upload.uploadId);
  };
  try {
    await sendParts({ job, upload, content, first, stop, sent });
    const { bytes, sha256 } = content.finish();
    const outcome = await complete(job, upload.uploadId, sent, bytes).catch(explain);
    return { bytes, sha256, outcome, end };
  } catch (error) {
    await end(error);
    throw error;
  }
}

/** Whether the delivery will be tried again after such an error, and this upload is then of use. */
function canGoOn({ signal }: UploadJob, error: unknown): boolean {
  const cause = signal.aborted ? signal.reason : error;
  // A source that fails with something else is classified later, as unavailable.
  if (!(cause instanceof DeliveryError)) return !signal.aborted;
  const useless = ["NoSuchUpload", "InvalidPart", "InvalidPartOrder", "NotStored", "WrongSize"];
  const kinds = ["unavailable", "throttled", "local"];
  return kinds.includes(cause.kind) && !useless.includes(cause.code ?? "");
}

/** Another process may have taken the delivery over, and have begun another upload. */
async function isNoted({ unfinished, deliveryId }: UploadJob, { uploadId }: OpenUpload): Promise<boolean> {
  return (await unfinished?.get(deliveryId))?.uploadId === uploadId;
}

async function begin(job: UploadJob): Promise<OpenUpload> {
  await abortStaleUploads(job);
  const uploadId = await create(job);
  await job.unfinished?.set(job.deliveryId, describeUpload(job, uploadId));
  return { uploadId, parts: new Map() };
}

const lingerMs = 2_000;

/** Whoever breaks off a request that makes something does not learn its name, and cannot remove it again. */
async function outliving<T>(
  signal: AbortSignal,
  request: (lingering: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const linger = () => {
    timer = setTimeout(() => controller.abort(signal.reason), lingerMs);
  };
  signal.addEventListener("abort", linger, { once: true });
  try {
    return await request(controller.signal);
  } finally {
    signal.removeEventListener("abort", linger);
    clearTimeout(timer);
  }
}

async function create(job: UploadJob): Promise<string> {
  const { connection, source, key, signal, onRepeat } = job;
  const { CreateMultipartUploadCommand } = await connection.sdk();
  const command = new CreateMultipartUploadCommand({
    ...job.headers(source.sha256),
    Key: key,
    ...(connection.options.checksums === "supported" && { ChecksumAlgorithm: "CRC32" }),
  });
  const { UploadId } = await outliving(signal, (lingering) =>
    connection.send((client, options) => client.send(command, options), { signal: lingering, onRepeat }),
  );
  if (UploadId) return UploadId;
  throw falseSuccess(job, "began no upload although it answered with success.");
}

interface PartsJob {
  job: UploadJob;
  upload: OpenUpload;
  content: ContentParts;
  first: Part;
  stop: AbortController;
  /** Gets what the store has, by the parts' numbers less one. */
  sent: SentPart[];
}

/** Sends as the content comes, a few parts at once. Ends only when no part is under way any more. */
async function sendParts({ job, upload, content, first, stop, sent }: PartsJob): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const resumed = { parts: 0, bytes: 0 };
  const touch = createTouch(job);
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown) => {
    // What fails afterwards fails because of the stop.
    failure ??= { error };
    stop.abort();
  };
  const settlePart = async (part: Part): Promise<SentPart> => {
    const listed = upload.parts.get(part.n);
    if (!hasPart(listed, part.body)) return sendPart(job, upload.uploadId, part, stop.signal);
    resumed.parts += 1;
    resumed.bytes += part.body.length;
    return { part: completedPart(part.n, listed), checksummed: true };
  };
  const begin = (part: Part) => {
    const work = settlePart(part)
      .then((done) => {
        sent[part.n - 1] = done;
        part.release(true);
        job.onProgress(part.body.length);
        touch();
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
  if (resumed.parts > 0) job.onResume(resumed);
}

/** What nobody has worked on for a day is removed: an upload that takes longer says that it goes on. */
function createTouch({ unfinished, deliveryId }: UploadJob): () => void {
  let touchedMs = performance.now();
  return () => {
    if (performance.now() - touchedMs < touchEveryMs) return;
    touchedMs = performance.now();
    void unfinished?.touch(deliveryId);
  };
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
      onRepeat: job.onRepeat,
    });
    if (!answer.ETag) throw noEtag(job, part.n);
    return { part: completedPart(part.n, answer), checksummed: checksum.echoed(answer) };
  } catch (error) {
    throw connection.explain(error, { step: "store", bucket, key });
  }
}

function completedPart(
  n: number,
  { ETag, ChecksumCRC32 }: { ETag?: string | undefined; ChecksumCRC32?: string | undefined },
): CompletedPart {
  return { PartNumber: n, ETag, ...(ChecksumCRC32 !== undefined && { ChecksumCRC32 }) };
}

function noEtag(job: UploadJob, n: number): DeliveryError {
  const said = `answered with success but without an ETag to part ${n} of s3://${job.bucket}/${job.key}.`;
  return falseSuccess(job, said, { code: "NoETag" });
}

async function complete(job: UploadJob, uploadId: string, sent: SentPart[], bytes: number): Promise<Reply> {
  const { connection, bucket, key, signal, onRepeat } = job;
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
  const answer = await connection.send((client, options) => client.send(command, options), {
    signal,
    bytes,
    onRepeat,
  });
  return {
    etag: answer.ETag || undefined,
    versionId: answer.VersionId,
    checksummed: sent.every(({ checksummed }) => checksummed),
  };
}
