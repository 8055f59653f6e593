import { createHash, randomBytes } from "node:crypto";
import { receiveText } from "./body";
import { type Checksum, checksumHeader, createChecksum } from "./checksums";
import { checkWriteConditions } from "./conditions";
import { type Content, createContent } from "./content";
import { S3Error } from "./errors";
import type { Exchange, Handler } from "./exchange";
import { findUpload, removeParts } from "./multipart";
import { checksumHeaders, encryptionHeaders } from "./object-settings";
import { publish } from "./objects";
import type { S3Object, S3Part, S3Upload } from "./store";
import { xmlDocument, xmlElements, xmlText } from "./xml";

export const completeUpload: Handler = async (exchange) => {
  findUpload(exchange);
  const listed = readList(await receiveText(exchange));
  // Looked up again: another request may have ended it while the list came in.
  const { bucket, upload } = findUpload(exchange);
  const parts = matchParts(upload, listed, exchange.store.minPartBytes);
  checkObjectBytes(exchange, parts);
  const content = createContent(parts);
  const checksum = await combineChecksums(upload, parts, content);
  checkObjectChecksum(exchange, checksum);
  // A refused condition leaves the upload as it is.
  checkWriteConditions(exchange, bucket.objects.get(upload.key));
  findUpload(exchange);
  bucket.uploads.delete(upload.id);
  const object: S3Object = {
    key: upload.key,
    bytes: content.bytes,
    etag: combineEtags(upload, parts),
    lastModified: new Date(),
    settings: upload.settings,
    checksum,
    content,
    partBytes: parts.map(({ bytes }) => bytes),
  };
  await publish(exchange, object);
  await removeParts([...upload.parts.values()].filter((part) => !parts.includes(part)));
  return {
    headers: encryptionHeaders(upload.settings),
    body: xmlDocument("CompleteMultipartUploadResult", {
      Location: `http://${exchange.header("host")}/${bucket.name}/${encodeURIComponent(upload.key)}`,
      Bucket: bucket.name,
      Key: upload.key,
      ETag: `"${object.etag}"`,
      ...(checksum && { [`Checksum${checksum.algorithm}`]: checksum.value, ChecksumType: checksum.type }),
    }),
  };
};

interface ListedPart {
  number: number;
  etag: string;
  /** The element as it came, with the checksum in it. */
  xml: string;
}

function readList(xml: string): ListedPart[] {
  const listed = xmlElements(xml, "Part").map((part) => ({
    number: Number(xmlText(part, "PartNumber")),
    etag: (xmlText(part, "ETag") ?? "").replaceAll('"', ""),
    xml: part,
  }));
  const complete = listed.every(({ number, etag }) => Number.isInteger(number) && etag !== "");
  if (listed.length === 0 || !complete) throw new S3Error("MalformedXML");
  return listed;
}

function matchParts(upload: S3Upload, listed: readonly ListedPart[], minPartBytes: number): S3Part[] {
  const parts = listed.map(({ number, etag, xml }, index) => {
    if (number <= (listed[index - 1]?.number ?? 0)) throw new S3Error("InvalidPartOrder");
    const part = upload.parts.get(number);
    if (!part || part.etag !== etag) throw invalidPart(upload, number);
    checkPartChecksum(upload, part, xml);
    return part;
  });
  for (const part of parts.slice(0, -1)) {
    if (part.bytes < minPartBytes) {
      throw new S3Error("EntityTooSmall", undefined, {
        ProposedSize: String(part.bytes),
        MinSizeAllowed: String(minPartBytes),
        PartNumber: String(part.number),
      });
    }
  }
  return parts;
}

function checkPartChecksum(upload: S3Upload, part: S3Part, xml: string) {
  const algorithm = upload.checksum?.algorithm ?? part.checksum?.algorithm;
  if (!algorithm) return;
  const claimed = xmlText(xml, `Checksum${algorithm}`);
  if (claimed === undefined && upload.checksum?.type === "COMPOSITE") {
    const message = `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`;
    throw new S3Error("InvalidRequest", message);
  }
  if (claimed !== undefined && claimed !== part.checksum?.value) throw invalidPart(upload, part.number);
}

const invalidPart = ({ id }: S3Upload, number: number) =>
  new S3Error("InvalidPart", undefined, { UploadId: id, PartNumber: String(number) });

function checkObjectBytes({ header }: Exchange, parts: readonly S3Part[]) {
  const claimed = header("x-amz-mp-object-size");
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  if (claimed === undefined || Number(claimed) === bytes) return;
  const message = `The provided 'x-amz-mp-object-size' header value ${claimed} does not match what was computed: ${bytes}`;
  throw new S3Error("InvalidRequest", message);
}

async function combineChecksums(
  { checksum }: S3Upload,
  parts: readonly S3Part[],
  content: Content,
): Promise<Checksum | undefined> {
  if (!checksum) return undefined;
  const { algorithm, type } = checksum;
  const digest = createChecksum(algorithm);
  if (type === "COMPOSITE") {
    for (const part of parts) digest.update(Buffer.from(part.checksum?.value ?? "", "base64"));
    return { algorithm, type, value: `${digest.digest().toString("base64")}-${parts.length}` };
  }
  for await (const chunk of content.open()) digest.update(chunk as Buffer);
  return { algorithm, type, value: digest.digest().toString("base64") };
}

function checkObjectChecksum({ header }: Exchange, checksum: Checksum | undefined) {
  if (!checksum) return;
  const claimed = header(checksumHeader(checksum.algorithm));
  if (
    claimed !== undefined &&
    claimed !== checksumHeaders({ checksum })[checksumHeader(checksum.algorithm)]
  ) {
    const name = checksum.algorithm.toLowerCase();
    throw new S3Error("BadDigest", `The ${name} you specified did not match the calculated checksum.`);
  }
}

function combineEtags(upload: S3Upload, parts: readonly S3Part[]): string {
  const ofParts = createHash("md5").update(Buffer.from(parts.map(({ etag }) => etag).join(""), "hex"));
  const encrypted = upload.settings.encryption?.algorithm === "aws:kms";
  return `${encrypted ? randomBytes(16).toString("hex") : ofParts.digest("hex")}-${parts.length}`;
}
