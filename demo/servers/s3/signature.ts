import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { CredentialStore } from "./credentials";
import { S3Error } from "./errors";
import { decodePath } from "./operations";
import { type Claim, readClaim } from "./signature-claim";

/** A signature that was found right, and what the signatures of a body in chunks build upon. */
export interface Signature {
  /** What the client says of the body: a SHA-256 in hex, `UNSIGNED-PAYLOAD` or `STREAMING-…`. */
  readonly payload: string;
  /** Signs one more string for this request: `type` is `PAYLOAD` or `TRAILER`. */
  signNext(type: "PAYLOAD" | "TRAILER", previous: string, digests: readonly string[]): string;
  readonly value: string;
}

export interface SignatureRules {
  credentials: CredentialStore;
  /** Undefined: any region will do. */
  region: string | undefined;
  service: "s3" | "sts";
  /** Of the body, where the protocol does not name it in a header. */
  payload?: string;
}

export const sha256Hex = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, text: string | Buffer) => createHmac("sha256", key).update(text).digest();

/**
 * Checks AWS Signature Version 4, in the Authorization header or in the query of a presigned link.
 * @throws S3Error as Amazon S3 answers
 */
export function verifySignature(
  http: IncomingMessage,
  query: URLSearchParams,
  rules: SignatureRules,
): Signature {
  const claim = readClaim(http, query, rules);
  const secret = rules.credentials.secretOf(claim.accessKeyId, claim.sessionToken);
  const [date = "", region = "", service = ""] = claim.scope.split("/");
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), "aws4_request");
  const canonical = canonicalRequest(http, query, claim);
  const toSign = ["AWS4-HMAC-SHA256", claim.timestamp, claim.scope, sha256Hex(canonical)].join("\n");
  const expected = hmac(key, toSign);
  const given = Buffer.from(claim.signature, "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new S3Error("SignatureDoesNotMatch", undefined, {
      AWSAccessKeyId: claim.accessKeyId,
      StringToSign: toSign,
      CanonicalRequest: canonical.toString("latin1"),
    });
  }
  return {
    payload: claim.payload,
    value: claim.signature,
    signNext(type, previous, digests) {
      const lines = [`AWS4-HMAC-SHA256-${type}`, claim.timestamp, claim.scope, previous, ...digests];
      return hmac(key, lines.join("\n")).toString("hex");
    },
  };
}

/** As "Create a signed AWS API request" tells; the path is encoded once, as S3 alone does it. */
function canonicalRequest(http: IncomingMessage, query: URLSearchParams, claim: Claim): Buffer {
  const path = (http.url ?? "/").split("?")[0] ?? "/";
  const headers = claim.signedHeaders.map((name) => {
    const values = http.headersDistinct[name] ?? [];
    return `${name}:${values.map((value) => value.trim().replace(/ +/g, " ")).join(",")}\n`;
  });
  const parameters = [...query]
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`);
  const lines = [
    http.method,
    encode(decodePath(path)).replaceAll("%2F", "/"),
    parameters.join("&"),
    headers.join(""),
    claim.signedHeaders.join(";"),
    claim.payload,
  ];
  // Node.js gives each byte of a header as one character: these are the bytes that were sent.
  return Buffer.from(lines.join("\n"), "latin1");
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
