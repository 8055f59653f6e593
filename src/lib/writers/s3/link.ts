import type { S3Connection } from "./connection";

/** AWS: Sharing objects with presigned URLs. */
const longestSeconds = 7 * 24 * 60 * 60;

export interface Link {
  url: string;
  /** ISO 8601. */
  urlExpiresAt: string;
  notes: string[];
}

/**
 * A link that anybody can open without keys, until it expires.
 * @throws whatever the SDK throws when it has no keys to sign with
 */
export async function presignLink(
  connection: S3Connection,
  { bucket, key }: { bucket: string; key: string },
  wantedSeconds: number,
): Promise<Link> {
  const notes: string[] = [];
  const expiresIn = Math.min(wantedSeconds, longestSeconds);
  if (expiresIn < wantedSeconds) notes.push("S3 allows links for 7 days at most: this one ends then.");
  const [{ getSignedUrl }, { GetObjectCommand }, client] = await Promise.all([
    import("@aws-sdk/s3-request-presigner"),
    connection.sdk(),
    connection.client(),
  ]);
  const signingDate = new Date();
  const command = new GetObjectCommand({ Bucket: bucket, Key: key });
  const url = await getSignedUrl(client, command, { expiresIn, signingDate });
  const expiresAt = new Date(signingDate.getTime() + expiresIn * 1000);
  const { expiration } = await client.config.credentials();
  if (expiration === undefined || expiration >= expiresAt) {
    return { url, urlExpiresAt: expiresAt.toISOString(), notes };
  }
  notes.push("The link ends early: the temporary keys that signed it expire then.");
  return { url, urlExpiresAt: expiration.toISOString(), notes };
}
