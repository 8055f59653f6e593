import { readAuthorities } from "../../authorities";
import { DeliveryError } from "../../errors";
import { type OptionReader, readOptions, type StringCheck } from "../../options";
import { type ConflictPolicy, conflictPolicies } from "../target-name";

export const s3Authentications = ["keys", "default", "role"] as const;
export const s3ChecksumProfiles = ["supported", "required"] as const;
export const s3Encryptions = ["AES256", "aws:kms", "aws:kms:dsse"] as const;
/** The canned ACLs that an object can have (AWS: Access control list overview). */
export const s3Acls = [
  "private",
  "public-read",
  "public-read-write",
  "authenticated-read",
  "aws-exec-read",
  "bucket-owner-read",
  "bucket-owner-full-control",
] as const;

export interface S3ConnectionOptions {
  /** Default: `us-east-1`. */
  region: string;
  /** The URL of a store that is not Amazon's, or a private end point of Amazon's. */
  endpoint: string | undefined;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. */
  pathStyle: boolean;
  /**
   * `keys`: the two keys. `default`: wherever the SDK finds some (environment, shared files, the machine's
   * own role). `role`: a role to assume, with the keys when they are given, else with the default ones.
   */
  authentication: (typeof s3Authentications)[number];
  accessKeyId: string | undefined;
  secretAccessKey: string | undefined;
  sessionToken: string | undefined;
  roleArn: string | undefined;
  roleExternalId: string | undefined;
  /** `required`: for stores that refuse the checksums which Amazon's takes with every upload. */
  checksums: (typeof s3ChecksumProfiles)[number];
  /** PEM of the authorities that may have signed the server's certificate, instead of the well-known ones. */
  ca: string | undefined;
  verifyCertificate: boolean;
  connectTimeoutMs: number;
  /** For a connection on which no byte moves. A second or two would end slow but healthy uploads. */
  idleTimeoutMs: number;
}

export interface S3LifecycleRule {
  /** The rule is for keys that begin so; empty for all. */
  prefix: string;
  /** After how many days an object moves. */
  days: number;
  storageClass: string;
}

export interface S3WriterOptions {
  bucket: string;
  /** For deliveries that come without one. */
  contentType: string | undefined;
  /** Stored with every object, below the delivery's own. */
  metadata: Record<string, string>;
  storageClass: string | undefined;
  encryption: (typeof s3Encryptions)[number] | undefined;
  kmsKeyId: string | undefined;
  acl: (typeof s3Acls)[number] | undefined;
  /** Make the bucket when it is missing. */
  createBucket: boolean;
  /** A bucket that is made here gets this rule. */
  lifecycle: S3LifecycleRule | undefined;
  conflict: ConflictPolicy;
  /** The receipt gets a link that is valid so long. S3 allows 7 days; more is cut, with a note. */
  linkExpiresInSeconds: number | undefined;
  /** Content up to this size goes in one request, longer content in parts of this size. Default: 8 MiB. */
  partSizeBytes: number;
}

const mebibyte = 1024 * 1024;
const maxTimeoutMs = 24 * 60 * 60 * 1000;
const day = 24 * 60 * 60;
/** Values that travel in a header or a signature. */
const printable: StringCheck = { pattern: /^[\x21-\x7e]+$/, must: "plain ASCII without spaces" };
const upperCase: StringCheck = { pattern: /^[A-Z0-9_]+$/, must: "a storage class such as STANDARD_IA" };

/** @throws DeliveryError `invalid` that lists every problem */
export function readS3ConnectionOptions(input: unknown): S3ConnectionOptions {
  return readOptions("S3 connection", input, (options) => {
    const authentication = options.choice("authentication", s3Authentications, "keys");
    return {
      region:
        options.optionalString("region", {
          pattern: /^[A-Za-z0-9-]{1,64}$/,
          must: "a region such as eu-central-1",
        }) ?? "us-east-1",
      endpoint: readEndpoint(options),
      pathStyle: options.boolean("pathStyle", false),
      authentication,
      ...readKeys(options, authentication, input as object),
      roleArn:
        authentication === "role"
          ? options.string("roleArn", {
              pattern: /^arn:[a-z0-9-]+:[\x21-\x7e]+$/,
              must: "the role's ARN, such as arn:aws:iam::123456789012:role/upload",
            })
          : undefined,
      roleExternalId: options.optionalString("roleExternalId", printable),
      checksums: options.choice("checksums", s3ChecksumProfiles, "supported"),
      ca: readAuthorities(options),
      verifyCertificate: options.boolean("verifyCertificate", true),
      connectTimeoutMs: options.number("connectTimeoutMs", { min: 100, max: maxTimeoutMs, default: 10_000 }),
      idleTimeoutMs: options.number("idleTimeoutMs", { min: 100, max: maxTimeoutMs, default: 120_000 }),
    };
  });
}

/** @throws DeliveryError `invalid` that lists every problem */
export function readS3WriterOptions(input: unknown): S3WriterOptions {
  return readOptions("S3 writer", input, (options) => {
    const encryption = optionalChoice(options, "encryption", s3Encryptions);
    const kmsKeyId = options.optionalString("kmsKeyId", printable);
    if (kmsKeyId !== undefined && !encryption?.startsWith("aws:kms")) {
      options.problem("kmsKeyId needs the encryption aws:kms");
    }
    return {
      bucket: readBucketName(options, "bucket"),
      contentType: options.optionalString("contentType", {
        pattern: /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;[\x20-\x7e]*)?$/,
        must: "a media type such as text/csv",
      }),
      metadata: options.strings("metadata"),
      storageClass: options.optionalString("storageClass", upperCase),
      encryption,
      kmsKeyId,
      acl: optionalChoice(options, "acl", s3Acls),
      createBucket: options.boolean("createBucket", false),
      lifecycle: readLifecycle(options, (input as { lifecycle?: unknown }).lifecycle),
      conflict: options.choice("conflict", conflictPolicies, "replace"),
      linkExpiresInSeconds: readLink(options),
      // S3's own bounds for a part (AWS: Amazon S3 multipart upload limits); a part is held in memory.
      partSizeBytes: options.number("partSizeBytes", {
        min: 5 * mebibyte,
        max: 512 * mebibyte,
        default: 8 * mebibyte,
        integer: true,
      }),
    };
  });
}

/** AWS: General purpose bucket naming rules. */
export function readBucketName(options: OptionReader, name: string): string {
  const bucket = options.string(name, {
    pattern: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    must: "3 to 63 lower-case letters, digits, dots and hyphens, beginning and ending in a letter or digit",
  });
  if (bucket.includes("..")) options.problem(`${name} must not hold two dots side by side`);
  if (/^\d+\.\d+\.\d+\.\d+$/.test(bucket)) options.problem(`${name} must not look like an IP address`);
  if (/^(xn--|sthree-|amzn-s3-demo-)/.test(bucket)) {
    options.problem(`${name} must not begin with xn--, sthree- or amzn-s3-demo-`);
  }
  if (/(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(bucket)) {
    options.problem(`${name} must not end in -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3`);
  }
  return bucket;
}

function readEndpoint(options: OptionReader): string | undefined {
  const text = options.optionalString("endpoint");
  if (text === undefined) return undefined;
  const must = "endpoint must be a URL such as https://s3.example.com";
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    options.problem(must);
    return undefined;
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") options.problem(must);
  // A password here would show up in every message that names the end point.
  if (url.username || url.password) options.problem("endpoint must not hold a user name or password");
  if (url.search || url.hash) options.problem("endpoint must not hold a query or a fragment");
  return url.href.replace(/\/$/, "");
}

function readKeys(
  options: OptionReader,
  authentication: S3ConnectionOptions["authentication"],
  input: { accessKeyId?: unknown; secretAccessKey?: unknown },
) {
  if (authentication === "default") {
    return { accessKeyId: undefined, secretAccessKey: undefined, sessionToken: undefined };
  }
  // One key alone is of no use; what is wrong with a key is said once.
  const needed = authentication === "keys" || Boolean(input.accessKeyId || input.secretAccessKey);
  const read = needed ? options.string : options.optionalString;
  return {
    accessKeyId: read("accessKeyId", printable) || undefined,
    secretAccessKey: read("secretAccessKey", printable) || undefined,
    sessionToken: options.optionalString("sessionToken", printable),
  };
}

function readLifecycle(options: OptionReader, input: unknown): S3LifecycleRule | undefined {
  if (input === undefined || input === null || input === "" || input === false) return undefined;
  try {
    return readOptions("lifecycle", input, (rule) => ({
      prefix: rule.optionalString("prefix") ?? "",
      days: rule.number("days", { min: 0, max: 36_500, default: 30, integer: true }),
      storageClass: rule.optionalString("storageClass", upperCase) ?? "GLACIER",
    }));
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    options.problem(error.message.replace(/\.$/, ""));
    return undefined;
  }
}

function readLink(options: OptionReader): number | undefined {
  const seconds = options.number("linkExpiresInSeconds", { min: 0, max: 3650 * day, default: 0 });
  return seconds === 0 ? undefined : Math.max(1, Math.floor(seconds));
}

function optionalChoice<T extends string>(
  options: OptionReader,
  name: string,
  choices: readonly T[],
): T | undefined {
  // Unset values take the default, so "" cannot come from a person.
  const choice = options.choice<string>(name, choices, "");
  return choice === "" ? undefined : (choice as T);
}
