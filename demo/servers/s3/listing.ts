import { S3Error } from "./errors";
import type { Handler } from "./exchange";
import type { S3Object } from "./store";
import { type XmlChildren, xmlDocument } from "./xml";

const maxPage = 1000;

export const listObjectsV2: Handler = ({ store, info }) => {
  const { objects, name } = store.bucket(info.bucket);
  const { query } = info;
  const token = query.get("continuation-token");
  const after =
    token === null ? (query.get("start-after") ?? "") : Buffer.from(token, "base64url").toString();
  const page = listPage(objects, query, after);
  const encode = encoder(query);
  return {
    body: xmlDocument("ListBucketResult", {
      Name: name,
      ...describePage(page, query),
      KeyCount: page.contents.length + page.prefixes.length,
      ContinuationToken: token ?? undefined,
      NextContinuationToken: page.truncated ? Buffer.from(page.last).toString("base64url") : undefined,
      StartAfter: encode(query.get("start-after") ?? undefined),
    }),
  };
};

export const listObjects: Handler = ({ store, info }) => {
  const { objects, name } = store.bucket(info.bucket);
  const { query } = info;
  const marker = query.get("marker") ?? "";
  const page = listPage(objects, query, marker);
  const encode = encoder(query);
  return {
    body: xmlDocument("ListBucketResult", {
      Name: name,
      ...describePage(page, query),
      Marker: encode(marker),
      NextMarker: page.truncated ? encode(page.last) : undefined,
    }),
  };
};

interface Page {
  contents: S3Object[];
  prefixes: string[];
  truncated: boolean;
  /** Where the next page begins: after this key or prefix. */
  last: string;
}

function listPage(objects: ReadonlyMap<string, S3Object>, query: URLSearchParams, after: string): Page {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const limit = pageLimit(query, "max-keys");
  const page: Page = { contents: [], prefixes: [], truncated: false, last: "" };
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix));
  for (const key of sortKeys(keys)) {
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const folder = cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
    const entry = folder ?? key;
    // A folder that was the end of the last page is not told again for its further keys.
    if (entry === page.last || entry === after || compareKeys(entry, after) < 0) continue;
    if (page.contents.length + page.prefixes.length >= limit) return { ...page, truncated: limit > 0 };
    page.last = entry;
    const object = objects.get(key);
    if (folder !== undefined) page.prefixes.push(folder);
    else if (object) page.contents.push(object);
  }
  return page;
}

function describePage({ contents, prefixes, truncated }: Page, query: URLSearchParams): XmlChildren {
  const encode = encoder(query);
  return {
    Prefix: encode(query.get("prefix") ?? ""),
    Delimiter: encode(query.get("delimiter") ?? undefined),
    MaxKeys: pageLimit(query, "max-keys"),
    EncodingType: query.get("encoding-type") ?? undefined,
    IsTruncated: truncated,
    Contents: contents.map(({ key, lastModified, etag, bytes, settings, checksum }) => ({
      Key: encode(key),
      LastModified: lastModified.toISOString(),
      ETag: `"${etag}"`,
      ChecksumAlgorithm: checksum?.algorithm,
      ChecksumType: checksum?.type,
      Size: bytes,
      StorageClass: settings.storageClass,
    })),
    CommonPrefixes: prefixes.map((Prefix) => ({ Prefix: encode(Prefix) })),
  };
}

/** @throws S3Error InvalidArgument */
export function pageLimit(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? String(maxPage);
  if (!/^\d+$/.test(text)) throw new S3Error("InvalidArgument", undefined, { ArgumentName: name });
  return Math.min(Number(text), maxPage);
}

/** With `encoding-type=url` names may hold what XML cannot. */
export function encoder(query: URLSearchParams) {
  const encoded = query.get("encoding-type") === "url";
  return <T extends string | undefined>(text: T) =>
    text === undefined || !encoded ? text : encodeURIComponent(text).replaceAll("%2F", "/");
}

/** By their UTF-8 bytes, which is not the order of JavaScript's strings. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function sortKeys(keys: string[]): string[] {
  const sortable = keys.map((key) => ({ key, bytes: Buffer.from(key) }));
  return sortable.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ key }) => key);
}
