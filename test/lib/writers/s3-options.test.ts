import { describe, expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import { readS3ConnectionOptions, readS3WriterOptions } from "../../../src/lib/writers/s3";

const keys = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "secret-example" };

describe("S3 connection options", () => {
  test("defaults", () => {
    expect(readS3ConnectionOptions(keys)).toEqual({
      ...keys,
      region: "us-east-1",
      endpoint: undefined,
      pathStyle: false,
      authentication: "keys",
      sessionToken: undefined,
      roleArn: undefined,
      roleExternalId: undefined,
      checksums: "supported",
      ca: undefined,
      verifyCertificate: true,
      connectTimeoutMs: 10_000,
      idleTimeoutMs: 120_000,
    });
  });

  test("every problem is told at once", () => {
    const error = refusal(() =>
      readS3ConnectionOptions({
        region: "eu west",
        endpoint: "s3.example.com",
        pathStyle: "perhaps",
        accessKeyId: "has space",
        checksums: "never",
        ca: "not a certificate",
        connectTimeoutMs: "soon",
      }),
    );
    for (const name of [
      "region",
      "endpoint",
      "pathStyle",
      "accessKeyId",
      "secretAccessKey",
      "checksums",
      "ca",
      "connectTimeoutMs",
    ]) {
      expect(error.message).toContain(`${name} `);
    }
    expect(error.message).toMatch(/^S3 connection: .*\.$/);
  });

  test.each([
    ["ftp://s3.example.com", /endpoint must be a URL/],
    ["https://user:pass@s3.example.com", /user name or password/],
    ["https://s3.example.com/?x=1", /query/],
    [42, /endpoint must be text/],
  ])("endpoint %s is refused", (endpoint, message) => {
    const error = refusal(() => readS3ConnectionOptions({ ...keys, endpoint }));
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("pass@");
  });

  test("a refused secret is not repeated", () => {
    const error = refusal(() => readS3ConnectionOptions({ ...keys, secretAccessKey: "canary with blanks" }));
    expect(error.message).not.toContain("canary");
  });

  test("what is wrong with a key is said once", () => {
    const unset = { accessKeyId: `\${KEY_ID}`, secretAccessKey: `\${SECRET}` };
    expect(refusal(() => readS3ConnectionOptions(unset)).message).toBe(
      "S3 connection: accessKeyId: the environment variable KEY_ID is not set; secretAccessKey: the environment variable SECRET is not set.",
    );
    expect(refusal(() => readS3ConnectionOptions({ ...keys, accessKeyId: "has space" })).message).toBe(
      "S3 connection: accessKeyId must be plain ASCII without spaces.",
    );
  });

  test("the default chain needs no keys and takes none", () => {
    const options = readS3ConnectionOptions({ authentication: "default", ...keys });
    expect(options).toMatchObject({ accessKeyId: undefined, secretAccessKey: undefined });
  });

  test("a role needs its ARN, and the keys both or none", () => {
    expect(refusal(() => readS3ConnectionOptions({ authentication: "role" })).message).toContain(
      "roleArn is missing",
    );
    const role = { authentication: "role", roleArn: "arn:aws:iam::123456789012:role/upload" };
    expect(readS3ConnectionOptions(role).roleArn).toBe(role.roleArn);
    expect(refusal(() => readS3ConnectionOptions({ ...role, accessKeyId: "AKIA" })).message).toContain(
      "secretAccessKey is missing",
    );
  });

  test.each([undefined, null, "text", 5, []])("%j instead of settings", (input) => {
    expect(refusal(() => readS3ConnectionOptions(input)).kind).toBe("invalid");
    expect(refusal(() => readS3WriterOptions(input)).kind).toBe("invalid");
  });
});

describe("S3 writer options", () => {
  test("defaults", () => {
    expect(readS3WriterOptions({ bucket: "reports" })).toEqual({
      bucket: "reports",
      contentType: undefined,
      metadata: {},
      storageClass: undefined,
      encryption: undefined,
      kmsKeyId: undefined,
      acl: undefined,
      createBucket: false,
      lifecycle: undefined,
      conflict: "replace",
      linkExpiresInSeconds: undefined,
      partSizeBytes: 8 * 1024 * 1024,
    });
  });

  test("what a dialog sends: texts, empty fields and unknown ones", () => {
    const options = readS3WriterOptions({
      bucket: "reports",
      storageClass: "",
      encryption: "",
      acl: "",
      createBucket: "true",
      lifecycle: { prefix: "logs/", days: "30", storageClass: "GLACIER" },
      linkExpiresInSeconds: "3600",
      partSizeBytes: String(5 * 1024 * 1024),
      concurrency: 4,
    });
    expect(options).toMatchObject({
      createBucket: true,
      lifecycle: { prefix: "logs/", days: 30, storageClass: "GLACIER" },
      linkExpiresInSeconds: 3600,
      partSizeBytes: 5 * 1024 * 1024,
      encryption: undefined,
    });
  });

  test("every problem is told at once", () => {
    const error = refusal(() =>
      readS3WriterOptions({
        contentType: "csv",
        metadata: { n: 5 },
        storageClass: "cold storage",
        encryption: "rot13",
        kmsKeyId: "key",
        acl: "everybody",
        createBucket: "maybe",
        lifecycle: { days: -1 },
        conflict: "merge",
        linkExpiresInSeconds: "long",
        partSizeBytes: 1024,
      }),
    );
    for (const problem of [
      "bucket is missing",
      "contentType must",
      "metadata.n must",
      "storageClass must",
      "encryption must be one of AES256, aws:kms, aws:kms:dsse;",
      "kmsKeyId needs",
      "acl must",
      "createBucket must",
      "lifecycle: days must",
      "conflict must",
      "linkExpiresInSeconds must",
      "partSizeBytes must",
    ]) {
      expect(error.message).toContain(problem);
    }
  });

  test.each([
    "ab",
    "Reports",
    "re_ports",
    "-reports",
    "reports-",
    "a..b",
    "192.168.0.1",
    "xn--reports",
    "reports-s3alias",
    "a/b",
    "a\r\nb",
    "x".repeat(64),
    7,
  ])("bucket %j is refused", (bucket) => {
    expect(refusal(() => readS3WriterOptions({ bucket })).message).toContain("bucket must");
  });

  test.each(["abc", "my.bucket-1", "0-9", "x".repeat(63)])("bucket %j is accepted", (bucket) => {
    expect(readS3WriterOptions({ bucket }).bucket).toBe(bucket);
  });
});

function refusal(read: () => unknown): DeliveryError {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(DeliveryError);
    return error as DeliveryError;
  }
  throw new Error("The settings were accepted.");
}
