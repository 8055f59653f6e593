import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { Playground } from "./playground";

// Its advice on versions of Node.js is for those who build on it, not for those who watch a demo.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

/** What is at the target, read by a client of its own; undefined where there is nothing. */
export async function readBack(
  { s3, ftp, bucket }: Playground,
  to: "s3" | "ftp",
  target: string,
): Promise<Uint8Array | undefined> {
  if (to === "ftp") return readFile(join(ftp.root, target)).catch(() => undefined);
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: target }));
    return await Body?.transformToByteArray();
  } catch (error) {
    if ((error as Error).name === "NoSuchKey" || (error as Error).name === "NoSuchBucket") return undefined;
    throw error;
  } finally {
    client.destroy();
  }
}

/** What a link gives to somebody without any key. @throws Error when it does not open */
export async function openLink(link: string): Promise<Uint8Array> {
  const response = await fetch(link);
  if (!response.ok) throw new Error(`The link in the mail does not open: ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
