import type { BucketLocationConstraint, TransitionStorageClass } from "@aws-sdk/client-s3";
import { reworded } from "../../errors";
import type { S3Connection } from "./connection";
import { statusOf } from "./errors";
import type { S3LifecycleRule, S3WriterOptions } from "./options";

/** Sees to it that the bucket exists, once for many deliveries. */
export interface BucketKeeper {
  /** @throws DeliveryError */
  ensure(signal: AbortSignal): Promise<void>;
  /** The bucket turned out to be missing: look again before the next delivery. */
  forget(): void;
}

export function createBucketKeeper(
  connection: S3Connection,
  { bucket, createBucket, lifecycle }: S3WriterOptions,
): BucketKeeper {
  let known = !createBucket;
  let ruleDue = false;

  return {
    async ensure(signal) {
      if (known) return;
      const missing = await isMissing(connection, bucket, signal);
      if (missing && (await create(connection, bucket, signal))) ruleDue = true;
      // Only for a bucket that was made here: the request replaces all rules that are there.
      if (ruleDue && lifecycle) await putRule(connection, bucket, lifecycle, signal);
      ruleDue = false;
      known = true;
    },
    forget() {
      known = !createBucket;
    },
  };
}

async function isMissing(connection: S3Connection, bucket: string, signal: AbortSignal): Promise<boolean> {
  const { HeadBucketCommand } = await connection.sdk();
  const command = new HeadBucketCommand({ Bucket: bucket });
  try {
    await connection.send((client, options) => client.send(command, options), { signal });
    return false;
  } catch (error) {
    if (statusOf(error) === 404) return true;
    // Keys that may write objects need not be allowed to look at the bucket.
    if (statusOf(error) === 403) return false;
    throw connection.explain(error, { step: "look", bucket });
  }
}

/** @returns false when somebody else was faster */
async function create(connection: S3Connection, bucket: string, signal: AbortSignal): Promise<boolean> {
  const { CreateBucketCommand } = await connection.sdk();
  const { region } = connection.options;
  const command = new CreateBucketCommand({
    Bucket: bucket,
    // us-east-1 is the default and must not be named (AWS: CreateBucket).
    ...(region !== "us-east-1" && {
      CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint },
    }),
  });
  try {
    await connection.send((client, options) => client.send(command, options), { signal });
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === "BucketAlreadyOwnedByYou") return false;
    throw connection.explain(error, { step: "create", bucket });
  }
}

async function putRule(
  connection: S3Connection,
  bucket: string,
  rule: S3LifecycleRule,
  signal: AbortSignal,
): Promise<void> {
  const { PutBucketLifecycleConfigurationCommand } = await connection.sdk();
  const command = new PutBucketLifecycleConfigurationCommand({
    Bucket: bucket,
    LifecycleConfiguration: {
      Rules: [
        {
          ID: "data-distribution",
          Status: "Enabled",
          Filter: { Prefix: rule.prefix },
          Transitions: [{ Days: rule.days, StorageClass: rule.storageClass as TransitionStorageClass }],
        },
      ],
    },
  });
  try {
    await connection.send((client, options) => client.send(command, options), { signal });
  } catch (error) {
    const explained = connection.explain(error, { step: "lifecycle", bucket });
    throw reworded(explained, `The bucket was created, but ${explained.message}`);
  }
}
