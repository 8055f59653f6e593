import type { Symptom } from "./symptom";

const object = "{path}report.csv";

export const reset: Symptom = {
  symptom: "A connection is reset, three times in a row",
  kind: "unavailable",
  code: "ECONNRESET",
  says: "Cannot reach {where}: it closed the connection (ECONNRESET).",
};

export const silent: Symptom = {
  symptom: "No answer comes, or no byte moves, for the time that the connection allows",
  kind: "unavailable",
  code: "ETIMEDOUT",
  says: "{Where} did not answer in time. Check the address and the firewall.",
};

export const unreachable: Symptom = {
  symptom: "A connection is not made within the time that is allowed",
  kind: "unavailable",
  code: "ETIMEDOUT",
  says: "Cannot reach {where}: it did not answer in time (ETIMEDOUT). Check the address and the firewall.",
};

export const damaged: Symptom = {
  symptom: "The content is damaged on its way (the store compares checksums)",
  kind: "unavailable",
  code: "XAmzContentSHA256Mismatch",
  says: `{Where} did not store ${object}: {*The provided 'x-amz-content-sha256' header does not match what was computed} (XAmzContentSHA256Mismatch). The content was damaged on its way. If it goes on, look at proxies and memory between here and there.`,
  maxAttempts: 3,
};

type Answer = Omit<Symptom, "symptom" | "says" | "code">;

function refusal(symptom: string, said: string, code: string, advice: string, answer: Answer): Symptom {
  return { symptom, code, says: `{Where} did not store ${object}: ${said} (${code}). ${advice}`, ...answer };
}

const later = "It may work later.";
const full: Answer = { kind: "unavailable", maxAttempts: 4, retryAfterMs: 60_000 };
const makeRoom = "The store is full: its owner must make room.";
const less = "Send less at once, or wait longer.";

/** By the code of the answer, as AWS's "Error responses" names them, and its status. */
export const refusals: readonly (Symptom & { status: number; retryAfter?: string; body?: string })[] = [
  {
    status: 503,
    ...refusal("503 SlowDown", "{*Please reduce your request rate}", "SlowDown", less, { kind: "throttled" }),
  },
  {
    ...{ status: 503, retryAfter: "1" },
    ...refusal("503 with Retry-After", "{*Please try again}", "ServiceUnavailable", less, {
      ...{ kind: "throttled", retryAfterMs: 1_000 },
    }),
  },
  {
    status: 500,
    ...refusal("500 InternalError", "{*We encountered an internal error}", "InternalError", later, {
      kind: "unavailable",
    }),
  },
  {
    status: 409,
    ...refusal("409 OperationAborted", "{*A conflicting operation is under way}", "OperationAborted", later, {
      kind: "unavailable",
    }),
  },
  {
    ...{ status: 400 },
    ...refusal(
      "400 RequestTimeout",
      "{*Your socket connection was not read from or written to within the timeout period}",
      "RequestTimeout",
      "The content came too slowly: look at where it is read from, or let the data source take a copy first.",
      { kind: "unavailable" },
    ),
  },
  {
    ...{ status: 400 },
    ...refusal(
      "400 BadDigest, IncompleteBody",
      "{*The Content-MD5 you specified did not match what we received}",
      "BadDigest",
      "The content was damaged on its way. If it goes on, look at proxies and memory between here and there.",
      { kind: "unavailable", maxAttempts: 3 },
    ),
  },
  {
    ...{ status: 403 },
    ...refusal(
      "403 AccessDenied",
      "{*Access Denied}",
      "AccessDenied",
      "Ask the bucket's owner for the permission (s3:PutObject, for ACLs and tags also their own).",
      { kind: "denied" },
    ),
  },
  ...["InvalidAccessKeyId", "SignatureDoesNotMatch"].map((code) => ({
    ...{ status: 403 },
    ...refusal(`403 ${code}`, "{*The key is not known}", code, "Check the access key and the secret key.", {
      kind: "denied" as const,
    }),
  })),
  {
    ...{ status: 400 },
    ...refusal(
      "400 ExpiredToken, with keys that were typed in",
      "{*The provided token has expired}",
      "ExpiredToken",
      "The keys are temporary and have expired. Enter new ones.",
      { kind: "denied" },
    ),
  },
  {
    ...{ status: 403 },
    ...refusal(
      "403 RequestTimeTooSkewed",
      "{*The difference between the request time and the server's time is too large}",
      "RequestTimeTooSkewed",
      "Check the clock of this machine: it differs from the server's by more than 15 minutes.",
      { kind: "unavailable", maxAttempts: 2 },
    ),
  },
  {
    ...{ status: 404 },
    ...refusal(
      "404 NoSuchBucket",
      "{*The specified bucket does not exist}",
      "NoSuchBucket",
      "Create the bucket, check its name, or let the writer create it.",
      { kind: "missing" },
    ),
  },
  {
    ...{ status: 400 },
    ...refusal(
      "301 PermanentRedirect, 400 AuthorizationHeaderMalformed",
      "{*The region is wrong}",
      "AuthorizationHeaderMalformed",
      "Correct the region or the address of the connection.",
      { kind: "invalid" },
    ),
  },
  ...Object.entries({
    EntityTooLarge:
      "The content is larger than the store takes. Split it, or ask the store's owner for the limit.",
    KeyTooLongError: "Choose a shorter name.",
    MetadataTooLarge: "Leave out some of the metadata, or shorten it.",
    InvalidArgument: "Change the content, its name or its metadata.",
  }).map(([code, advice]) => ({
    ...{ status: 400 },
    ...refusal(`400 ${code}`, "{*Your request is not allowed}", code, advice, { kind: "rejected" as const }),
  })),
  {
    ...{ status: 501 },
    ...refusal(
      "501 NotImplemented",
      "{*A header you provided implies functionality that is not implemented}",
      "NotImplemented",
      "This store lacks something that the upload asks for. Let the connection send checksums only when required, or leave out tags, ACL, storage class and encryption.",
      { kind: "rejected" },
    ),
  },
  { status: 409, ...refusal("QuotaExceeded", "{*The quota is used up}", "QuotaExceeded", makeRoom, full) },
  {
    ...{ status: 507, body: "<html>no room</html>" },
    ...{ symptom: "507", kind: "unavailable", code: "507", maxAttempts: 4, retryAfterMs: 60_000 },
    says: `{Where} did not store ${object}: HTTP 507. ${makeRoom}`,
  },
  {
    ...{ status: 502, body: "<html>Bad gateway</html>" },
    ...{
      symptom: "502 or 504, with a web page instead of an answer of S3",
      kind: "unavailable",
      code: "502",
    },
    says: `{Where} did not store ${object}: HTTP 502. ${later}`,
  },
];

export const notStored: Symptom = {
  symptom: "200, but without an ETag: something in between answers in the store's place",
  kind: "unavailable",
  code: "NotStored",
  says: `{Where} answered with success, but ${object} is not there with this content. Does a proxy or a cache in between answer in its place?`,
};
