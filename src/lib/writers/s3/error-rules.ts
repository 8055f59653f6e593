import type { ErrorKind } from "../../errors";

/** What an S3 error code asks for. `advice` ends the message: what a person does next. */
export interface S3Rule {
  kind: ErrorKind;
  advice: string;
  maxAttempts?: number;
  /** Used when the server names no time itself. */
  retryAfterMs?: number;
}

const throttled: S3Rule = { kind: "throttled", advice: "Send less at once, or wait longer." };
const busy: S3Rule = { kind: "unavailable", advice: "It may work later." };
const corrupted: S3Rule = {
  kind: "unavailable",
  advice:
    "The content was damaged on its way. If it goes on, look at proxies and memory between here and there.",
  maxAttempts: 3,
};
const wrongKeys: S3Rule = { kind: "denied", advice: "Check the access key and the secret key." };
export const notAllowed: S3Rule = {
  kind: "denied",
  advice: "Ask the bucket's owner for the permission (s3:PutObject, for ACLs and tags also their own).",
};
export const notShown: S3Rule = {
  kind: "denied",
  advice: "Check the access key, and ask the bucket's owner for s3:ListBucket and s3:GetObject.",
};
const expired: S3Rule = {
  kind: "unavailable",
  advice: "The temporary credentials have expired and are fetched anew.",
  maxAttempts: 2,
};
const wrongPlace: S3Rule = {
  kind: "invalid",
  advice: "Correct the region or the address of the connection.",
};
const refused: S3Rule = { kind: "rejected", advice: "Change the content, its name or its metadata." };
const tooLarge: S3Rule = {
  kind: "rejected",
  advice: "The content is larger than the store takes. Split it, or ask the store's owner for the limit.",
};
export const unsupported: S3Rule = {
  kind: "rejected",
  advice:
    "This store lacks something that the upload asks for. Let the connection send checksums only when required, or leave out tags, ACL, storage class and encryption.",
};
const full: S3Rule = {
  kind: "unavailable",
  advice: "The store is full: its owner must make room.",
  maxAttempts: 4,
  retryAfterMs: 60_000,
};
const clock: S3Rule = {
  kind: "unavailable",
  advice: "Check the clock of this machine: it differs from the server's by more than 15 minutes.",
  maxAttempts: 2,
};
const noBucket: S3Rule = {
  kind: "missing",
  advice: "Create the bucket, check its name, or let the writer create it.",
};
const lostUpload: S3Rule = { kind: "unavailable", advice: "It is started anew." };

/** Codes of AWS's "Error responses" for S3 and of its "Common errors", as ERRORS.md sorts them. */
export const rulesByCode: Readonly<Record<string, S3Rule>> = {
  SlowDown: throttled,
  SlowDownWrite: throttled,
  ServiceUnavailable: throttled,
  "503 SlowDown": throttled,
  Busy: throttled,
  TooManyRequests: throttled,
  TooManyRequestsException: throttled,
  RequestLimitExceeded: throttled,
  Throttling: throttled,
  ThrottlingException: throttled,
  ThrottledException: throttled,
  RequestThrottled: throttled,
  RequestThrottledException: throttled,
  BandwidthLimitExceeded: throttled,

  InternalError: busy,
  InternalFailure: busy,
  OperationAborted: busy,
  ConditionalRequestConflict: busy,
  TemporaryRedirect: busy,
  Redirect: busy,
  RequestTimeout: {
    kind: "unavailable",
    advice:
      "The content came too slowly: look at where it is read from, or let the data source take a copy first.",
  },

  BadDigest: corrupted,
  XAmzContentSHA256Mismatch: corrupted,
  XAmzContentChecksumMismatch: corrupted,
  IncompleteBody: corrupted,
  InvalidDigest: corrupted,

  RequestTimeTooSkewed: clock,
  RequestExpired: clock,
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  TokenRefreshRequired: expired,

  AccessDenied: notAllowed,
  AllAccessDisabled: notAllowed,
  AccountProblem: { kind: "denied", advice: "The account has a problem: its owner must ask the provider." },
  NotSignedUp: wrongKeys,
  InvalidAccessKeyId: wrongKeys,
  InvalidClientTokenId: wrongKeys,
  UnrecognizedClientException: wrongKeys,
  SignatureDoesNotMatch: wrongKeys,
  InvalidToken: wrongKeys,
  InvalidSecurity: wrongKeys,
  InvalidPayer: wrongKeys,
  "KMS.DisabledException": notAllowed,
  CredentialsProviderError: {
    kind: "denied",
    advice: "Give the connection an access key, or this machine a role or a profile with one.",
  },
  TokenProviderError: { kind: "denied", advice: "Log in to the profile that this machine uses." },

  NoSuchBucket: noBucket,
  NoSuchUpload: lostUpload,
  InvalidPart: lostUpload,
  InvalidPartOrder: lostUpload,

  PermanentRedirect: wrongPlace,
  IllegalLocationConstraintException: wrongPlace,
  IllegalLocationConstraint: wrongPlace,
  InvalidLocationConstraint: wrongPlace,
  AuthorizationHeaderMalformed: wrongPlace,
  InvalidRegion: wrongPlace,
  InvalidBucketName: { kind: "invalid", advice: "Correct the bucket's name in the writer." },
  BucketAlreadyExists: {
    kind: "invalid",
    advice: "Somebody else owns a bucket of that name. Choose another one.",
  },
  TooManyBuckets: { kind: "denied", advice: "The account may own no more buckets." },

  PreconditionFailed: {
    kind: "rejected",
    advice: "Choose another name, or another policy for existing files.",
  },
  EntityTooLarge: tooLarge,
  EntityTooSmall: refused,
  KeyTooLongError: { kind: "rejected", advice: "Choose a shorter name." },
  MetadataTooLarge: { kind: "rejected", advice: "Leave out some of the metadata, or shorten it." },
  InvalidArgument: refused,
  InvalidRequest: refused,
  InvalidTag: { kind: "rejected", advice: "Correct the tags of the writer." },
  InvalidStorageClass: { kind: "rejected", advice: "Choose a storage class that the store has." },
  MalformedXML: refused,
  InvalidObjectState: refused,
  AccessControlListNotSupported: {
    kind: "rejected",
    advice: "The bucket takes no ACLs (its owner enforces that). Leave the ACL empty.",
  },
  ObjectLocked: refused,
  NotImplemented: unsupported,
  MethodNotAllowed: unsupported,
  XNotImplemented: unsupported,

  QuotaExceeded: full,
  QuotaExceededException: full,
  XMinioStorageFull: full,
  XMinioAdminBucketQuotaExceeded: full,
  InsufficientCapacity: full,
};

/** For answers whose body tells no code: to HEAD, and from proxies. */
export const rulesByStatus: Readonly<Record<number, S3Rule>> = {
  301: wrongPlace,
  307: busy,
  308: wrongPlace,
  401: wrongKeys,
  403: notAllowed,
  404: noBucket,
  405: unsupported,
  407: { kind: "denied", advice: "A proxy in between wants a login." },
  408: busy,
  409: busy,
  411: unsupported,
  412: { kind: "rejected", advice: "Choose another name, or another policy for existing files." },
  413: tooLarge,
  429: throttled,
  501: unsupported,
  503: throttled,
  507: full,
};

/** Rule 0: what is not known may pass. */
export const unknownRule: S3Rule = busy;
