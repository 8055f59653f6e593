import type { DeliveryError } from "../../errors";
import type { S3Connection } from "./connection";
import { statusOf } from "./errors";
import { deliveryIdName, sha256Name } from "./object-headers";

export interface FoundObject {
  bytes: number;
  etag: string | undefined;
  versionId: string | undefined;
  /** Who put it there, when that was one of us. */
  deliveryId: string | undefined;
  /** As it was noted at the upload. */
  sha256: string | undefined;
}

/** `unknown`: the store does not tell, for example because the keys may only write. */
export type Look =
  | { state: "found"; object: FoundObject }
  | { state: "absent" }
  | { state: "unknown"; error: DeliveryError };

const lookTimeoutMs = 30_000;

/**
 * What is at the key now.
 * @throws DeliveryError `cancelled` with the signal, and nothing else
 */
export async function lookAt(
  connection: S3Connection,
  { bucket, key }: { bucket: string; key: string },
  signal: AbortSignal,
): Promise<Look> {
  const { HeadObjectCommand } = await connection.sdk();
  try {
    const head = await connection.send(
      (client, { abortSignal }) =>
        client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), {
          abortSignal,
          requestTimeout: lookTimeoutMs,
        }),
      { signal },
    );
    return {
      state: "found",
      object: {
        bytes: head.ContentLength ?? 0,
        etag: head.ETag,
        versionId: head.VersionId,
        deliveryId: head.Metadata?.[deliveryIdName],
        sha256: head.Metadata?.[sha256Name],
      },
    };
  } catch (error) {
    if (statusOf(error) === 404) return { state: "absent" };
    const explained = connection.explain(error, { step: "look", bucket, key });
    if (signal.aborted) throw explained;
    return { state: "unknown", error: explained };
  }
}
