import { DeliveryError } from "../../errors";
import type { Verified } from "../../types";
import { type FoundObject, type Look, lookAt } from "./look";
import { falseSuccess, type Published, type Reply, type UploadJob } from "./upload-job";

/** An object that is known to be at the store. */
export interface Settled {
  bytes: number;
  sha256: string;
  etag: string | undefined;
  versionId: string | undefined;
  verified: Verified;
  notes: string[];
}

/**
 * Looks at the target after an upload: an answer alone proves nothing, and a lost one neither.
 * @throws DeliveryError when the content is not there
 */
export async function settle(job: UploadJob, published: Published): Promise<Settled> {
  try {
    const { outcome } = published;
    const settled =
      outcome instanceof DeliveryError
        ? await rescue(job, published, outcome)
        : await confirm(job, published, outcome);
    await published.end();
    return settled;
  } catch (error) {
    await published.end(error);
    throw error;
  }
}

/** The answer to the request that publishes was bad or lost: is the content there nevertheless? */
async function rescue(job: UploadJob, published: Published, error: DeliveryError): Promise<Settled> {
  if (!mayHaveArrived(error) || job.signal.aborted) throw error;
  const look = await lookAt(job.connection, job, job.signal);
  // Whose object is in the way can be told later: then the next attempt looks before it sends anything.
  if (look.state === "unknown" && isTaken(error) && mayTellLater(look.error)) throw look.error;
  if (look.state !== "found" || !isOurs(look.object, job.deliveryId, published.bytes)) throw error;
  return {
    ...settled(published, look.object),
    verified: "size",
    notes: ["The store's answer was lost, but the content is there: its size and delivery id were compared."],
  };
}

/** Also when a repeat of the request finds the object of the first one in its way. */
function mayHaveArrived({ kind, code }: DeliveryError): boolean {
  return kind === "unavailable" || isTaken({ code });
}

/** Keys that may only write never learn it. */
export function mayTellLater({ kind }: DeliveryError): boolean {
  return kind !== "denied" && kind !== "rejected";
}

/** The store refused because there is an object at the key: RFC 9110 §15.5.13. */
export function isTaken({ code }: { code: string | undefined }): boolean {
  return code === "PreconditionFailed" || code === "412";
}

export function isOurs(object: FoundObject, deliveryId: string, bytes: number | undefined): boolean {
  return object.deliveryId === deliveryId && (bytes === undefined || object.bytes === bytes);
}

async function confirm(job: UploadJob, published: Published, reply: Reply): Promise<Settled> {
  const look = await lookAt(job.connection, job, job.signal);
  if (look.state === "found" && isOurs(look.object, job.deliveryId, published.bytes)) {
    return {
      ...settled(published, look.object, reply),
      verified: reply.checksummed ? "checksum" : "size",
      notes: [],
    };
  }
  // Without an ETag the answer came from something that is not the store.
  if (reply.etag === undefined) throw notThere(job, look);
  return { ...settled(published, undefined, reply), ...doubt(job, published, reply, look) };
}

/** What an answer with an ETag is worth when the object does not look like ours afterwards. */
function doubt(
  job: UploadJob,
  published: Published,
  reply: Reply,
  look: Look,
): Pick<Settled, "verified" | "notes"> {
  const verified = reply.checksummed ? "checksum" : "none";
  if (look.state === "unknown") {
    return { verified, notes: [`The object could not be looked at after the upload: ${look.error.message}`] };
  }
  if (look.state === "absent") {
    // A receiver may have fetched and removed it within milliseconds; a proxy would know no checksum.
    if (reply.checksummed) return { verified, notes: ["The object was gone when it was looked for."] };
    throw notThere(job, look);
  }
  const { object } = look;
  if (object.etag === reply.etag && object.bytes === published.bytes) {
    return {
      verified: reply.checksummed ? "checksum" : "size",
      notes: [
        object.deliveryId === undefined
          ? "The store did not keep the metadata."
          : "Another upload of the same content has replaced the object since.",
      ],
    };
  }
  if (object.deliveryId === job.deliveryId || object.etag === reply.etag)
    throw damaged(job, published, object);
  return { verified, notes: ["Another upload has replaced the object since."] };
}

function settled(
  { bytes, sha256 }: Published,
  object: FoundObject | undefined,
  reply?: Reply,
): Omit<Settled, "verified" | "notes"> {
  return {
    bytes,
    sha256,
    etag: reply?.etag ?? object?.etag,
    versionId: reply?.versionId ?? object?.versionId,
  };
}

function notThere(job: UploadJob, look: Look): DeliveryError {
  const said = `answered with success, but s3://${job.bucket}/${job.key} is not there with this content.`;
  const reason = look.state === "unknown" ? look.error.message : "";
  return falseSuccess(job, said, { code: "NotStored", reason });
}

function damaged({ bucket, key }: UploadJob, { bytes }: Published, object: FoundObject): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `s3://${bucket}/${key} has ${object.bytes} bytes after the upload, but ${bytes} were sent.`,
    { code: "WrongSize", maxAttempts: 3 },
  );
}
