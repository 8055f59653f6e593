import { createHash } from "node:crypto";
import { S3Error } from "./errors";
import { type Signature, sha256Hex } from "./signature";

/** Chunks below this size are refused, but for the last one. */
const minChunkBytes = 8192;
const maxLineBytes = 16 * 1024;
const emptyDigest = sha256Hex("");

type ChunkState = "size" | "data" | "data-end" | "trailer" | "done";

/**
 * Takes the aws-chunked framing off a body (AWS: "Signature calculations for the Authorization header:
 * transferring payload in multiple chunks", also "… including trailing headers").
 * @param signature given when each chunk is signed, too
 * @param trailers filled by the time the body ends; names in lower case
 * @throws S3Error
 */
export async function* decodeChunks(
  body: AsyncIterable<Buffer>,
  signature: Signature | undefined,
  trailers: Map<string, string>,
): AsyncGenerator<Buffer> {
  const signer = signature && createChunkSigner(signature);
  let state = "size" as ChunkState;
  let line = "";
  let left = 0;
  let small = false;

  const takeLine = (text: string) => {
    if (state === "size") {
      const { bytes, chunkSignature } = readSize(text, signer !== undefined);
      if (bytes > 0 && small) throw new S3Error("InvalidChunkSizeError");
      small = bytes < minChunkBytes;
      signer?.start(chunkSignature);
      if (bytes === 0) signer?.end();
      left = bytes;
      state = bytes === 0 ? "trailer" : "data";
    } else if (state === "data-end") {
      if (text !== "") throw malformed();
      signer?.end();
      state = "size";
    } else if (state === "trailer" && text !== "") {
      const [name = "", value = ""] = text.split(/:(.*)/s, 2);
      trailers.set(name.toLowerCase().trim(), value.trim());
    } else {
      state = "done";
    }
  };

  for await (const piece of body) {
    for (let at = 0; at < piece.length; ) {
      if (state === "data") {
        const data = piece.subarray(at, at + left);
        at += data.length;
        left -= data.length;
        signer?.update(data);
        if (left === 0) state = "data-end";
        yield data;
        continue;
      }
      const end = piece.indexOf(10, at);
      line += piece.toString("latin1", at, end < 0 ? piece.length : end);
      if (line.length > maxLineBytes) throw malformed();
      at = end < 0 ? piece.length : end + 1;
      if (end < 0) continue;
      takeLine(line.replace(/\r$/, ""));
      line = "";
    }
  }
  if (state !== "done") throw new S3Error("IncompleteBody");
  if (signer && trailers.size > 0) signer.checkTrailers(trailers);
}

function readSize(line: string, signed: boolean) {
  const match = /^([0-9a-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line);
  if (!match || signed !== (match[2] !== undefined)) throw malformed();
  return { bytes: Number.parseInt(match[1] ?? "", 16), chunkSignature: match[2] ?? "" };
}

/** Each chunk's signature signs the one before it, beginning with the request's own. */
function createChunkSigner(signature: Signature) {
  let previous = signature.value;
  let claimed = "";
  let hash = createHash("sha256");
  const check = (expected: string) => {
    if (claimed !== expected) throw new S3Error("SignatureDoesNotMatch");
    previous = expected;
  };
  return {
    start(chunkSignature: string) {
      claimed = chunkSignature;
      hash = createHash("sha256");
    },
    update(data: Buffer) {
      hash.update(data);
    },
    end() {
      check(signature.signNext("PAYLOAD", previous, [emptyDigest, hash.digest("hex")]));
    },
    checkTrailers(trailers: Map<string, string>) {
      claimed = trailers.get("x-amz-trailer-signature") ?? "";
      trailers.delete("x-amz-trailer-signature");
      const lines = [...trailers].sort().map(([name, value]) => `${name}:${value}\n`);
      check(signature.signNext("TRAILER", previous, [sha256Hex(lines.join(""))]));
    },
  };
}

function malformed(): S3Error {
  return new S3Error("InvalidRequest", "The chunks of the aws-chunked body are malformed.");
}
