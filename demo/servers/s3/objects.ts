import { randomBytes } from "node:crypto";
import { receiveFile, receiveText } from "./body";
import { checkReadConditions, checkWriteConditions } from "./conditions";
import { createContent } from "./content";
import { S3Error } from "./errors";
import type { Answer, Exchange, Handler } from "./exchange";
import { checksumHeaders, encryptionHeaders, objectHeaders, readSettings, readTags } from "./object-settings";
import { readRange } from "./range";
import type { S3Object } from "./store";
import { xmlDocument, xmlElements, xmlText } from "./xml";

export const putObject: Handler = async (exchange) => {
  const { store, info } = exchange;
  store.bucket(info.bucket);
  const settings = readSettings(exchange);
  const path = store.newPath();
  const { bytes, md5, checksum } = await receiveFile(exchange, path);
  const object: S3Object = {
    key: info.key ?? "",
    bytes,
    // What is encrypted with KMS has an ETag that says nothing of the content.
    etag: settings.encryption?.algorithm === "aws:kms" ? randomBytes(16).toString("hex") : md5,
    lastModified: new Date(),
    settings,
    checksum: checksum && { ...checksum, type: "FULL_OBJECT" },
    content: createContent([{ path, bytes }]),
    partBytes: [],
  };
  await publish(exchange, object);
  return {
    headers: { etag: `"${object.etag}"`, ...checksumHeaders(object), ...encryptionHeaders(settings) },
  };
};

/**
 * Makes an object visible, at once and as a whole; what was there before goes.
 * @throws S3Error when a condition does not hold; the content is removed then
 */
export async function publish(exchange: Exchange, object: S3Object): Promise<void> {
  const { store, info } = exchange;
  try {
    const { objects } = store.bucket(info.bucket);
    const before = objects.get(object.key);
    checkWriteConditions(exchange, before);
    objects.set(object.key, object);
    await before?.content.drop();
  } catch (error) {
    await object.content.drop();
    throw error;
  }
}

export const getObject: Handler = (exchange) => {
  const answer = describeObject(exchange);
  if (answer.status === 304) return answer;
  const { store, info, header } = exchange;
  const object = store.object(info.bucket, info.key);
  return { ...answer, body: object.content.open(readRange(header("range"), object.bytes)) };
};

export const headObject: Handler = (exchange) => describeObject(exchange);

function describeObject(exchange: Exchange): Answer {
  const { store, info, header } = exchange;
  const object = store.object(info.bucket, info.key);
  const headers = { ...objectHeaders(object), ...readOverrides(info.query) };
  if (checkReadConditions(exchange, object)) return { status: 304, headers };
  const range = readRange(header("range"), object.bytes);
  if (range) {
    const { start, end } = range;
    const contentRange = `bytes ${start}-${end - 1}/${object.bytes}`;
    return {
      status: 206,
      headers: { ...headers, "content-length": end - start, "content-range": contentRange },
    };
  }
  const withChecksum = header("x-amz-checksum-mode")?.toUpperCase() === "ENABLED";
  return {
    headers: { ...headers, "content-length": object.bytes, ...(withChecksum && checksumHeaders(object)) },
  };
}

/** `response-content-disposition=…` in a link changes what the answer says. */
function readOverrides(query: URLSearchParams): Record<string, string> {
  const names = ["type", "language", "disposition", "encoding"].map((name) => `content-${name}`);
  const found = [...names, "cache-control", "expires"].map((name) => [name, query.get(`response-${name}`)]);
  return Object.fromEntries(found.filter(([, value]) => value !== null));
}

export const deleteObject: Handler = async ({ store, info }) => {
  await remove(store.bucket(info.bucket).objects, info.key ?? "");
  return { status: 204 };
};

async function remove(objects: Map<string, S3Object>, key: string) {
  const object = objects.get(key);
  objects.delete(key);
  await object?.content.drop();
}

export const deleteObjects: Handler = async (exchange) => {
  const { objects } = exchange.store.bucket(exchange.info.bucket);
  const digested = Object.keys(exchange.info.headers).some(
    (name) => name === "content-md5" || name.startsWith("x-amz-checksum-") || name === "x-amz-trailer",
  );
  if (!digested) throw new S3Error("InvalidRequest", "Missing required header for this request: Content-MD5");
  const xml = await receiveText(exchange);
  const keys = xmlElements(xml, "Object").map((element) => xmlText(element, "Key"));
  if (keys.length === 0 || keys.length > 1000 || keys.includes(undefined)) throw new S3Error("MalformedXML");
  for (const key of keys) await remove(objects, key ?? "");
  const quiet = xmlText(xml, "Quiet") === "true";
  return { body: xmlDocument("DeleteResult", quiet ? {} : { Deleted: keys.map((Key) => ({ Key })) }) };
};

export const getObjectTagging: Handler = ({ store, info }) => {
  const { tags } = store.object(info.bucket, info.key).settings;
  const Tag = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  return { body: xmlDocument("Tagging", { TagSet: { Tag } }) };
};

export const putObjectTagging: Handler = async (exchange) => {
  const { store, info } = exchange;
  const { settings } = store.object(info.bucket, info.key);
  const elements = xmlElements(await receiveText(exchange), "Tag");
  settings.tags = readTags(elements.map((tag) => [xmlText(tag, "Key") ?? "", xmlText(tag, "Value") ?? ""]));
  return {};
};
