import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { DeliveryError, type ErrorKind } from "../../../src/lib/errors";
import { classifyS3Error, type S3ErrorPlace } from "../../../src/lib/writers/s3/errors";

const secret = "wJalrXUtnFEMI-canary-K7MDENG";
const place: S3ErrorPlace = {
  where: "Amazon S3 in eu-central-1",
  step: "store",
  bucket: "reports",
  key: "daily/customers.csv",
  region: "eu-central-1",
  authentication: "keys",
  virtualHost: true,
  secrets: [secret],
};

/** An error as the SDK makes it from an answer. */
function answered(name: string, status: number, more: object = {}): Error {
  return Object.assign(new Error(`${name} was said.`), {
    name,
    $fault: "client",
    $metadata: { httpStatusCode: status, requestId: "REQ-1" },
    ...more,
  });
}

/** An error of the network, as Node.js makes it and the SDK passes it on. */
function failed(code: string, name = "Error"): Error {
  return Object.assign(new Error(`connect ${code}`), { code, name, $metadata: { attempts: 3 } });
}

/** ERRORS.md, § S3: name of the code, HTTP status → kind. */
const codes: readonly [ErrorKind, readonly [string, number][]][] = [
  [
    "throttled",
    [
      ["SlowDown", 503],
      ["ServiceUnavailable", 503],
      ["UnknownError", 503],
      ["UnknownError", 429],
      ["RequestLimitExceeded", 503],
      ["Throttling", 400],
      ["ThrottlingException", 400],
    ],
  ],
  [
    "unavailable",
    [
      ["InternalError", 500],
      ["UnknownError", 502],
      ["UnknownError", 504],
      ["RequestTimeout", 400],
      ["UnknownError", 408],
      ["BadDigest", 400],
      ["XAmzContentSHA256Mismatch", 400],
      ["IncompleteBody", 400],
      ["InvalidDigest", 400],
      ["RequestTimeTooSkewed", 403],
      ["OperationAborted", 409],
      ["ConditionalRequestConflict", 409],
      ["TemporaryRedirect", 307],
      ["NoSuchUpload", 404],
      ["QuotaExceeded", 403],
      ["UnknownError", 507],
      ["NeverHeardOf", 400],
      ["constructor", 400],
    ],
  ],
  [
    "denied",
    [
      ["AccessDenied", 403],
      ["InvalidAccessKeyId", 403],
      ["SignatureDoesNotMatch", 403],
      ["InvalidToken", 400],
      ["AccountProblem", 403],
      ["UnknownError", 403],
      ["ExpiredToken", 400],
    ],
  ],
  [
    "missing",
    [
      ["NoSuchBucket", 404],
      ["NotFound", 404],
    ],
  ],
  [
    "invalid",
    [
      ["PermanentRedirect", 301],
      ["IllegalLocationConstraintException", 400],
      ["AuthorizationHeaderMalformed", 400],
      ["InvalidBucketName", 400],
    ],
  ],
  [
    "rejected",
    [
      ["PreconditionFailed", 412],
      ["UnknownError", 412],
      ["EntityTooLarge", 400],
      ["KeyTooLongError", 400],
      ["MetadataTooLarge", 400],
      ["InvalidArgument", 400],
      ["NotImplemented", 501],
      ["UnknownError", 501],
    ],
  ],
];

describe("codes", () => {
  for (const [kind, cases] of codes) {
    test.each(cases)(`%s %i → ${kind}`, (name, status) => {
      const error = classifyS3Error(answered(name, status), place);
      expect(error).toMatchObject({ kind, code: name === "UnknownError" ? String(status) : name });
      expect(error.message).toMatch(/^Amazon S3 in eu-central-1 .*s3:\/\/reports\/daily\/customers.csv.*\.$/);
    });
  }

  test.each([
    ["ENOTFOUND", "unavailable"],
    ["EAI_AGAIN", "unavailable"],
    ["ECONNREFUSED", "unavailable"],
    ["ECONNRESET", "unavailable"],
    ["EPIPE", "unavailable"],
    ["ETIMEDOUT", "unavailable"],
    ["EHOSTUNREACH", "unavailable"],
    ["HPE_INVALID_CONSTANT", "unavailable"],
    ["CERT_HAS_EXPIRED", "invalid"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "invalid"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "invalid"],
    ["EPROTO", "invalid"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "invalid"],
    ["EMFILE", "local"],
  ] as const)("%s → %s", (code, kind) => {
    expect(classifyS3Error(failed(code, "TimeoutError"), place)).toMatchObject({ kind, code });
  });

  test.each([
    [Object.assign(new Error("timed out"), { name: "TimeoutError" }), "unavailable"],
    [Object.assign(new Error("Request aborted"), { name: "AbortError" }), "cancelled"],
    [Object.assign(new Error("No keys"), { name: "CredentialsProviderError" }), "denied"],
    [new Error("never heard of"), "unavailable"],
    [new TypeError("x is not a function"), "internal"],
    ["text", "unavailable"],
    [undefined, "unavailable"],
    [null, "unavailable"],
  ])("%s → %s", (error, kind) => {
    expect(classifyS3Error(error, place).kind).toBe(kind);
  });

  test("a DeliveryError stays what it is", () => {
    const error = new DeliveryError("changed", "The source changed.");
    expect(classifyS3Error(error, place)).toBe(error);
  });

  test("an answer that is HTML", () => {
    const html = Object.assign(new SyntaxError("Unexpected token <"), {
      $response: { statusCode: 200, headers: {}, body: "<html>" },
    });
    expect(classifyS3Error(html, place)).toMatchObject({ kind: "unavailable" });
  });
});

describe("what a person is told", () => {
  test.each([
    ["BadDigest", 400, 3],
    ["RequestTimeTooSkewed", 403, 2],
    ["QuotaExceeded", 403, 4],
    ["SlowDown", 503, undefined],
  ])("%s %i: the most attempts are %s", (name, status, maxAttempts) => {
    expect(classifyS3Error(answered(name, status), place).maxAttempts).toBe(maxAttempts);
  });

  test("expired keys: fetched anew once when they can be", () => {
    const error = answered("ExpiredToken", 400);
    expect(classifyS3Error(error, { ...place, authentication: "default" })).toMatchObject({
      kind: "unavailable",
      maxAttempts: 2,
    });
  });

  test("the clock", () => {
    expect(classifyS3Error(answered("RequestTimeTooSkewed", 403), place).message).toMatch(/check the clock/i);
  });

  test.each([
    ["PermanentRedirect", 301, { $response: { headers: { "x-amz-bucket-region": "us-west-2" } } }],
    ["AuthorizationHeaderMalformed", 400, { Region: "us-west-2" }],
  ])("the right region: %s", (name, status, more) => {
    expect(classifyS3Error(answered(name, status, more), place).message).toBe(
      "The bucket reports is in the region us-west-2, but Amazon S3 in eu-central-1 was asked. Set the connection's region to us-west-2.",
    );
  });

  test("checksums for a store that refuses them", () => {
    const error = Object.assign(answered("InvalidArgument", 400), {
      message: "Unsupported header 'x-amz-checksum-crc32' received for this API call.",
    });
    expect(classifyS3Error(error, place).message).toContain("checksums only when required");
    expect(classifyS3Error(answered("NotImplemented", 501), place).message).toContain("only when required");
  });

  test("the proxy, where one may lead there", () => {
    const said = (proxied: boolean) => classifyS3Error(failed("ECONNREFUSED"), { ...place, proxied }).message;
    expect(said(true)).toMatch(/If a proxy leads there \(HTTPS_PROXY, HTTP_PROXY\), it may be/);
    expect(said(false)).not.toContain("proxy");
  });

  test("path style, when the host name with the bucket is unknown", () => {
    expect(classifyS3Error(failed("ENOTFOUND"), place).message).toContain("path style");
    expect(classifyS3Error(failed("ENOTFOUND"), { ...place, virtualHost: false }).message).not.toContain(
      "path style",
    );
  });

  test.each([
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after": "1.5" }, 1500],
    [{ "x-amz-retry-after": "250" }, 250],
    [{ "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" }, 0],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
  ])("Retry-After %j", (headers, retryAfterMs) => {
    const error = answered("SlowDown", 503, { $response: { statusCode: 503, headers } });
    expect(classifyS3Error(error, place).retryAfterMs).toBe(retryAfterMs);
  });

  test("Retry-After as a date", () => {
    const headers = { "retry-after": new Date(Date.now() + 60_000).toUTCString() };
    const error = answered("SlowDown", 503, { $response: { statusCode: 503, headers } });
    const { retryAfterMs = 0 } = classifyS3Error(error, place);
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });
});

describe("secrets", () => {
  const leaky = answered("SignatureDoesNotMatch", 403, {
    message: `The signature of AKIAIOSFODNN7EXAMPLE with ${secret} is wrong, Signature=abcdef0123456789\nAWS4-HMAC-SHA256`,
    StringToSign: `AWS4-HMAC-SHA256 ${secret}`,
    AWSAccessKeyId: secret,
    CanonicalRequest: secret,
    $response: { statusCode: 403, headers: { authorization: secret }, body: secret },
  });

  test.each([
    ["an answer", leaky],
    ["a lost connection", Object.assign(failed("ECONNRESET"), { message: secret, config: { secret } })],
    ["a bug", Object.assign(new TypeError(`bad ${secret}`), { secret })],
  ])("%s: none in the error, nor below it", (_, raw) => {
    const error = classifyS3Error(raw, place);
    const shown = [
      error.message,
      error.stack,
      JSON.stringify(error),
      JSON.stringify(error.cause),
      inspect(error, { depth: 10, showHidden: true }),
      inspect(error.cause, { depth: 10, showHidden: true }),
    ].join("\n");
    for (const word of [secret, "AKIAIOSFODNN7EXAMPLE", "abcdef0123456789", "AWS4-HMAC"]) {
      expect(shown).not.toContain(word);
    }
  });

  test("the cause keeps what helps", () => {
    expect(classifyS3Error(leaky, place).cause).toMatchObject({
      name: "SignatureDoesNotMatch",
      status: 403,
      requestId: "REQ-1",
    });
  });
});
