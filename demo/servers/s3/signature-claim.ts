import type { IncomingMessage } from "node:http";
import { S3Error } from "./errors";

/** What a request says of its own signature. */
export interface Claim {
  accessKeyId: string;
  /** `20260131/eu-central-1/s3/aws4_request` */
  scope: string;
  /** `20260131T235959Z` */
  timestamp: string;
  signedHeaders: string[];
  /** Hex. */
  signature: string;
  sessionToken: string | undefined;
  payload: string;
}

export interface ClaimRules {
  region: string | undefined;
  service: string;
  payload?: string;
}

const maxSkewMs = 15 * 60_000;
const maxExpirySeconds = 7 * 24 * 3600;

/** @throws S3Error as Amazon S3 answers */
export function readClaim(http: IncomingMessage, query: URLSearchParams, rules: ClaimRules): Claim {
  const claim = query.has("X-Amz-Algorithm") ? readQuery(http, query, rules) : readHeader(http, rules);
  const unsigned = Object.keys(http.headers).find(
    (name) => (name === "host" || name.startsWith("x-amz-")) && !claim.signedHeaders.includes(name),
  );
  if (unsigned !== undefined) {
    const message = "There were headers present in the request which were not signed";
    throw new S3Error("AccessDenied", message, { HeadersNotSigned: unsigned });
  }
  return claim;
}

function readHeader(http: IncomingMessage, rules: ClaimRules): Claim {
  const { authorization } = http.headers;
  if (authorization === undefined) throw new S3Error("AccessDenied");
  const [algorithm, ...rest] = authorization.split(" ");
  const fields = new Map(
    rest
      .join("")
      .split(",")
      .map((field) => field.split(/=(.*)/s, 2) as [string, string]),
  );
  const signature = fields.get("Signature");
  const signedHeaders = fields.get("SignedHeaders")?.split(";");
  if (algorithm !== "AWS4-HMAC-SHA256" || signature === undefined || signedHeaders === undefined) {
    throw new S3Error("AuthorizationHeaderMalformed");
  }
  const timestamp = single(http, "x-amz-date") ?? basicFormat(http.headers.date);
  const sentAt = parseTimestamp(timestamp);
  if (timestamp === undefined || sentAt === undefined) {
    throw new S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  }
  if (Math.abs(Date.now() - sentAt) > maxSkewMs) {
    throw new S3Error("RequestTimeTooSkewed", undefined, {
      RequestTime: timestamp,
      ServerTime: new Date().toISOString(),
      MaxAllowedSkewMilliseconds: String(maxSkewMs),
    });
  }
  const payload = single(http, "x-amz-content-sha256") ?? rules.payload;
  if (payload === undefined) {
    throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  return {
    ...readCredential(fields.get("Credential") ?? "", timestamp, rules, "AuthorizationHeaderMalformed"),
    timestamp,
    signedHeaders,
    signature,
    payload,
    sessionToken: single(http, "x-amz-security-token"),
  };
}

/** As "Authenticating Requests: Using Query Parameters" tells. */
function readQuery(http: IncomingMessage, query: URLSearchParams, rules: ClaimRules): Claim {
  const required = (name: string) => {
    const value = query.get(`X-Amz-${name}`);
    if (value) return value;
    throw new S3Error("AuthorizationQueryParametersError", `The query parameter X-Amz-${name} is missing.`);
  };
  const timestamp = required("Date");
  const sentAt = parseTimestamp(timestamp);
  const expires = Number(required("Expires"));
  if (required("Algorithm") !== "AWS4-HMAC-SHA256" || sentAt === undefined || !Number.isInteger(expires)) {
    throw new S3Error("AuthorizationQueryParametersError");
  }
  if (expires < 0 || expires > maxExpirySeconds) {
    const message = "X-Amz-Expires must be less than a week (in seconds); that is, less than 604800";
    throw new S3Error("AuthorizationQueryParametersError", message);
  }
  if (sentAt - Date.now() > maxSkewMs) throw new S3Error("AccessDenied", "Request is not yet valid");
  if (Date.now() >= sentAt + expires * 1000) {
    throw new S3Error("AccessDenied", "Request has expired", {
      "X-Amz-Expires": String(expires),
      Expires: new Date(sentAt + expires * 1000).toISOString(),
      ServerTime: new Date().toISOString(),
    });
  }
  return {
    ...readCredential(required("Credential"), timestamp, rules, "AuthorizationQueryParametersError"),
    timestamp,
    signedHeaders: required("SignedHeaders").split(";"),
    signature: required("Signature"),
    payload: query.get("X-Amz-Content-Sha256") ?? single(http, "x-amz-content-sha256") ?? "UNSIGNED-PAYLOAD",
    sessionToken: query.get("X-Amz-Security-Token") ?? undefined,
  };
}

function readCredential(
  credential: string,
  timestamp: string,
  rules: ClaimRules,
  malformed: "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError",
): Pick<Claim, "accessKeyId" | "scope"> {
  const [accessKeyId = "", date = "", region = "", service, end] = credential.split("/");
  if (date !== timestamp.slice(0, 8) || service !== rules.service || end !== "aws4_request") {
    throw new S3Error(
      malformed,
      `The credential is not <key>/<date>/<region>/${rules.service}/aws4_request.`,
    );
  }
  if (rules.region !== undefined && region !== rules.region) {
    const message = `The authorization is malformed; the region '${region}' is wrong; expecting '${rules.region}'`;
    throw new S3Error(malformed, message, { Region: rules.region });
  }
  return { accessKeyId, scope: `${date}/${region}/${service}/${end}` };
}

function single(http: IncomingMessage, name: string): string | undefined {
  return http.headersDistinct[name]?.[0];
}

function parseTimestamp(text: string | undefined): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? "");
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, ...number[]];
  return Date.UTC(year, (month ?? 1) - 1, day, hour, minute, second);
}

function basicFormat(date: string | undefined): string | undefined {
  const time = Date.parse(date ?? "");
  return Number.isNaN(time)
    ? undefined
    : `${new Date(time).toISOString().replace(/[-:]/g, "").slice(0, 15)}Z`;
}
