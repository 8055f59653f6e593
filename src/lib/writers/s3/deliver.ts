import { contentTypeOf } from "../../content-type";
import { DeliveryError } from "../../errors";
import type { DataSource, Receipt, WriteRequest } from "../../types";
import { numberedName } from "../target-name";
import type { S3Connection } from "./connection";
import { compareContent, digestSource } from "./identical";
import { type FoundObject, type Look, lookAt } from "./look";
import { objectHeaders } from "./object-headers";
import type { S3WriterOptions } from "./options";
import { isOurs, isTaken, mayTellLater, type Settled, settle } from "./settle";
import { dropUnfinished } from "./stale-uploads";
import type { UnfinishedUploads } from "./unfinished-uploads";
import { upload } from "./upload";
import type { UploadJob } from "./upload-job";

/** Everything that one attempt works with. */
export interface Attempt {
  connection: S3Connection;
  options: S3WriterOptions;
  source: DataSource;
  request: WriteRequest;
  signal: AbortSignal;
  /** Absent when no other attempt is to go on with what this one leaves. */
  unfinished: UnfinishedUploads | undefined;
  /** Starts counting anew, for another pass over the source. */
  startPass(): (bytes: number) => void;
}

export type Delivered = Settled & { key: string; outcome: Receipt["outcome"] };

/**
 * Puts the content at the key, or treats what is there as the conflict policy says.
 * @throws DeliveryError, or whatever the source throws
 */
export async function deliver(attempt: Attempt, key: string): Promise<Delivered> {
  switch (attempt.options.conflict) {
    case "replace":
      return (await findDelivered(attempt, key)) ?? send(attempt, key, false);
    case "fail":
      return sendIfAbsent(attempt, key);
    case "skip-identical":
      return (await findDelivered(attempt, key)) ?? sendIfDifferent(attempt, key);
    case "keep-both":
      return sendBeside(attempt, key);
  }
}

async function send(attempt: Attempt, key: string, ifAbsent: boolean): Promise<Delivered> {
  const { connection, options, source, request, signal, unfinished } = attempt;
  const contentType = source.contentType ?? options.contentType ?? contentTypeOf(key);
  const notes: string[] = [];
  const repeats: DeliveryError[] = [];
  const job: UploadJob = {
    deliveryId: request.deliveryId,
    connection,
    source,
    bucket: options.bucket,
    key,
    ifAbsent,
    partSizeBytes: options.partSizeBytes,
    headers: (sha256) => objectHeaders(request, options, { contentType, sha256 }),
    signal,
    unfinished,
    onProgress: attempt.startPass(),
    onRepeat: (error) =>
      repeats.push(connection.explain(error, { step: "store", bucket: options.bucket, key })),
    onResume: ({ parts, bytes }) =>
      notes.push(
        `An earlier attempt had sent ${parts} of the parts, ${bytes} bytes: they were compared and not sent again.`,
      ),
  };
  // What cannot be sent is refused before the content is read.
  job.headers(source.sha256);
  const settled = await settle(job, await upload(job));
  return {
    ...settled,
    key,
    outcome: "delivered",
    notes: [...settled.notes, ...notes, ...describeRepeats(repeats)],
  };
}

function describeRepeats(repeats: readonly DeliveryError[]): string[] {
  const last = repeats.at(-1);
  if (!last) return [];
  const requests = repeats.length === 1 ? "A request was" : `${repeats.length} requests were`;
  return [`${requests} sent again, the last one after this: ${last.message}`];
}

/** An attempt that was begun before may have delivered it without anybody hearing of that. */
async function findDelivered(attempt: Attempt, key: string): Promise<Delivered | undefined> {
  const { request, source } = attempt;
  const { begun = 1 } = request;
  if (begun <= 1) return undefined;
  const look = await lookBefore(attempt, key);
  if (look.state !== "found" || !isOurs(look.object, request.deliveryId, source.size)) return undefined;
  return deliveredBefore(attempt, key, look.object);
}

async function sendIfAbsent(attempt: Attempt, key: string): Promise<Delivered> {
  // The precondition alone would do, if every store knew it; and content that is refused need not be sent.
  const look = await lookBefore(attempt, key);
  if (look.state === "found") {
    if (isOurs(look.object, attempt.request.deliveryId, attempt.source.size)) {
      return deliveredBefore(attempt, key, look.object);
    }
    throw taken(attempt, key);
  }
  return send(attempt, key, true);
}

/** What is there before the content is sent. Where the keys may not look, the sending goes on. */
async function lookBefore({ connection, options: { bucket }, signal }: Attempt, key: string): Promise<Look> {
  const look = await lookAt(connection, { bucket, key }, signal);
  if (look.state === "unknown" && mayTellLater(look.error)) throw look.error;
  return look;
}

/** An attempt whose success nobody heard of put it there. */
async function deliveredBefore(attempt: Attempt, key: string, object: FoundObject): Promise<Delivered> {
  const { connection, request, source, signal, unfinished } = attempt;
  await dropUnfinished(connection, unfinished, request.deliveryId);
  const sha256 = source.sha256 ?? object.sha256 ?? (await digestSource(source, signal)).sha256;
  attempt.startPass()(object.bytes);
  return {
    key,
    outcome: "delivered",
    bytes: object.bytes,
    sha256,
    etag: object.etag,
    versionId: object.versionId,
    verified: "size",
    notes: ["An earlier attempt had delivered it: size and delivery id were compared."],
  };
}

async function sendIfDifferent(attempt: Attempt, key: string): Promise<Delivered> {
  const { source, signal } = attempt;
  const look = await lookBefore(attempt, key);
  if (look.state === "unknown") {
    const sent = await send(attempt, key, false);
    return { ...sent, notes: [...sent.notes, `What was there could not be compared: ${look.error.message}`] };
  }
  if (look.state === "absent") return send(attempt, key, false);
  const comparison = await compareContent(source, look.object, signal);
  if (comparison.state === "identical") {
    const { bytes, etag, versionId } = look.object;
    const { sha256 } = comparison;
    return { key, outcome: "skipped", bytes, sha256, etag, versionId, verified: "checksum", notes: [] };
  }
  const sent = await send(attempt, key, false);
  if (comparison.state === "different") return sent;
  return {
    ...sent,
    notes: [...sent.notes, "The store tells no checksum of what was there, so it was replaced unseen."],
  };
}

const maxNumber = 1000;

async function sendBeside(attempt: Attempt, key: string): Promise<Delivered> {
  const folder = key.slice(0, key.lastIndexOf("/") + 1);
  const leaf = key.slice(folder.length);
  for (let n = 0; n <= maxNumber; n++) {
    const candidate = n === 0 ? key : folder + numberedName(leaf, n);
    try {
      const sent = await sendIfAbsent(attempt, candidate);
      if (n === 0) return sent;
      const note = `${key} was there already; the content is kept beside it as ${candidate}.`;
      return { ...sent, notes: [...sent.notes, note] };
    } catch (error) {
      if (!(error instanceof DeliveryError && isTaken(error))) throw error;
    }
  }
  throw new DeliveryError(
    "rejected",
    `${key} and ${maxNumber} numbered names beside it exist already. Choose another name.`,
    { code: "PreconditionFailed" },
  );
}

function taken({ options: { bucket } }: Attempt, key: string): DeliveryError {
  return new DeliveryError(
    "rejected",
    `s3://${bucket}/${key} exists already. Choose another name, or another policy for existing files.`,
    { code: "PreconditionFailed" },
  );
}
