import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import {
  type ChecksumAlgorithm,
  checksumAlgorithms,
  checksumHeader,
  createChecksum,
  type Digest,
  isBase64Of,
  isChecksumValue,
  readAlgorithm,
} from "./checksums";
import { decodeChunks } from "./chunked";
import { S3Error } from "./errors";
import type { Exchange } from "./exchange";

/** What a body turned out to be, after everything that was said of it proved true. */
export interface ReceivedBody {
  bytes: number;
  /** Hex. */
  md5: string;
  checksum: { algorithm: ChecksumAlgorithm; value: string } | undefined;
}

const maxObjectBytes = 5 * 1024 ** 3;
const maxDocumentBytes = 8 * 1024 ** 2;

/**
 * Writes the body to a new file, which is removed again when anything is wrong with it.
 * @throws S3Error
 */
export async function receiveFile(exchange: Exchange, path: string): Promise<ReceivedBody> {
  const expected = readExpectations(exchange);
  if (expected.bytes > maxObjectBytes) throw new S3Error("EntityTooLarge");
  const body = checkedBody(exchange, expected);
  try {
    await pipeline(
      body.chunks,
      createWriteStream(path, { flags: "wx", mode: 0o600, highWaterMark: 1024 * 1024 }),
    );
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  return body.result();
}

/**
 * Reads a small document, such as the XML of CompleteMultipartUpload.
 * @throws S3Error
 */
export async function receiveText(exchange: Exchange): Promise<string> {
  const expected = readExpectations(exchange);
  if (expected.bytes > maxDocumentBytes) throw new S3Error("EntityTooLarge");
  const chunks: Buffer[] = [];
  for await (const chunk of checkedBody(exchange, expected).chunks) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** What the request's headers announce of its body. */
interface Expectations {
  bytes: number;
  /** Hex. */
  sha256: string | undefined;
  md5: string | undefined;
  checksum: { algorithm: ChecksumAlgorithm; value: string | undefined } | undefined;
  chunked: "signed" | "unsigned" | undefined;
}

function readExpectations(exchange: Exchange): Expectations {
  const { payload } = exchange.signature;
  const streaming = /^STREAMING-(AWS4-HMAC-SHA256|UNSIGNED)-PAYLOAD(-TRAILER)?$/.exec(payload);
  if (!streaming && payload !== "UNSIGNED-PAYLOAD" && !/^[0-9a-f]{64}$/.test(payload)) {
    throw new S3Error(
      "InvalidArgument",
      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.",
    );
  }
  const length = exchange.header(streaming ? "x-amz-decoded-content-length" : "content-length");
  if (length === undefined || !/^\d+$/.test(length)) throw new S3Error("MissingContentLength");
  const md5 = exchange.header("content-md5");
  if (md5 !== undefined && !isBase64Of(md5, 16)) throw new S3Error("InvalidDigest");
  return {
    bytes: Number(length),
    sha256: /^[0-9a-f]{64}$/.test(payload) ? payload : undefined,
    md5: md5 === undefined ? undefined : Buffer.from(md5, "base64").toString("hex"),
    checksum: readExpectedChecksum(exchange),
    chunked: streaming ? (streaming[1] === "UNSIGNED" ? "unsigned" : "signed") : undefined,
  };
}

function readExpectedChecksum(exchange: Exchange): Expectations["checksum"] {
  const named = checksumAlgorithms.filter(
    (algorithm) => exchange.header(checksumHeader(algorithm)) !== undefined,
  );
  const trailer = exchange.header("x-amz-trailer")?.trim().toLowerCase();
  const trailed = checksumAlgorithms.find((algorithm) => checksumHeader(algorithm) === trailer);
  if (trailer !== undefined && !trailed) {
    throw new S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
  }
  if (named.length + (trailed ? 1 : 0) > 1) {
    const message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
    throw new S3Error("InvalidRequest", message);
  }
  if (trailed) return { algorithm: trailed, value: undefined };
  const [algorithm] = named;
  if (algorithm === undefined) {
    if (exchange.header("x-amz-sdk-checksum-algorithm") === undefined) return undefined;
    const message =
      "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.";
    throw new S3Error("InvalidRequest", message);
  }
  const sdkAlgorithm = exchange.header("x-amz-sdk-checksum-algorithm");
  if (sdkAlgorithm !== undefined && readAlgorithm(sdkAlgorithm) !== algorithm) {
    throw new S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  }
  const value = exchange.header(checksumHeader(algorithm)) ?? "";
  if (isChecksumValue(algorithm, value)) return { algorithm, value };
  throw new S3Error("InvalidRequest", `Value for ${checksumHeader(algorithm)} header is invalid.`);
}

function checkedBody(exchange: Exchange, expected: Expectations) {
  const { algorithm } = expected.checksum ?? {};
  const md5 = createHash("md5");
  const sha256 = expected.sha256 === undefined ? undefined : createHash("sha256");
  const checksum = algorithm && createChecksum(algorithm);
  const digests: Digest[] = [md5, sha256, checksum].filter((digest) => digest !== undefined);
  const trailers = new Map<string, string>();
  const signature = expected.chunked === "signed" ? exchange.signature : undefined;
  let result: ReceivedBody | undefined;

  async function* chunks() {
    let bytes = 0;
    const raw = exchange.body();
    for await (const chunk of expected.chunked ? decodeChunks(raw, signature, trailers) : raw) {
      bytes += chunk.length;
      if (bytes > expected.bytes) throw new S3Error("IncompleteBody");
      for (const digest of digests) digest.update(chunk);
      yield chunk;
    }
    if (bytes !== expected.bytes) throw new S3Error("IncompleteBody");
    const found = {
      bytes,
      md5: md5.digest("hex"),
      checksum: algorithm && checksum && { algorithm, value: checksum.digest().toString("base64") },
    };
    compare(expected, found, sha256?.digest("hex"), trailers);
    result = found;
  }

  return {
    chunks: chunks(),
    result(): ReceivedBody {
      if (!result) throw new Error("The body was not read to its end.");
      return result;
    },
  };
}

function compare(
  expected: Expectations,
  found: ReceivedBody,
  sha256: string | undefined,
  trailers: ReadonlyMap<string, string>,
) {
  if (sha256 !== expected.sha256) {
    throw new S3Error("XAmzContentSHA256Mismatch", undefined, {
      ClientComputedContentSHA256: expected.sha256 ?? "",
      S3ComputedContentSHA256: sha256 ?? "",
    });
  }
  if (expected.md5 !== undefined && found.md5 !== expected.md5) throw new S3Error("BadDigest");
  if (!expected.checksum) return;
  const { algorithm } = expected.checksum;
  const value = expected.checksum.value ?? trailers.get(checksumHeader(algorithm));
  if (value === undefined || !isChecksumValue(algorithm, value)) throw new S3Error("MalformedTrailerError");
  if (value !== found.checksum?.value) {
    throw new S3Error("BadDigest", `The ${algorithm} you specified did not match the calculated checksum.`);
  }
}
