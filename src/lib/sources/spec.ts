import { types } from "node:util";
import { DeliveryError } from "../errors";
import type { SourceSpec } from "../types";

const digest = /^[0-9a-f]{64}$/;
// RFC 9110 §8.3.1, without the finer points of parameters; nothing that could end a header.
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;[\x20-\x7e]*)?$/;
// Control characters in a name forge lines of protocols, logs and mails.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Checks a `SourceSpec` that came from outside, such as `msg.source`. What it does not know is left out.
 * @throws DeliveryError `invalid` that lists every problem
 */
export function readSourceSpec(value: unknown): SourceSpec {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DeliveryError("invalid", "The source must be an object with a kind and a name.");
  }
  const problems: string[] = [];
  const spec = readFields(value as Record<string, unknown>, problems);
  if (spec && problems.length === 0) return spec;
  throw new DeliveryError("invalid", `The source cannot be used: ${[...new Set(problems)].join("; ")}.`);
}

function readFields(value: Record<string, unknown>, problems: string[]): SourceSpec | undefined {
  const read = <T>(name: string, must: string, is: (field: unknown) => field is T): T | undefined => {
    const field = value[name];
    if (is(field)) return field;
    problems.push(`its ${name} must be ${must}`);
    return undefined;
  };
  const optional = <T>(name: string, must: string, is: (field: unknown) => field is T) => {
    const field = value[name] === undefined ? undefined : read(name, must, is);
    return field === undefined ? {} : { [name]: field };
  };
  const base = {
    name: read("name", "a file name without folders", isName) ?? "",
    ...optional("contentType", "a media type such as text/csv", isMediaType),
    ...optional("size", "a number of bytes", isByteCount),
    ...optional("sha256", "64 lower-case hexadecimal digits", isDigest),
  };
  switch (value.kind) {
    case "text":
      return { ...base, kind: "text", text: read("text", "text", isString) ?? "" };
    case "bytes":
      return { ...base, kind: "bytes", bytes: readBytes(value.bytes, problems) };
    case "file":
      return {
        ...base,
        kind: "file",
        path: read("path", "the path of a file", isNonEmpty) ?? "",
        ...optional("mtimeMs", "a number of milliseconds", isNumber),
        ...optional("inode", "a number", isNumber),
      };
    case "url":
      return {
        ...base,
        kind: "url",
        url: read("url", "an http or https address", isNonEmpty) ?? "",
        ...optional("headers", "a set of names and texts", isStrings),
      };
    case "spool": {
      const size = read("size", "a number of bytes", isByteCount) ?? 0;
      const sha256 = read("sha256", "64 lower-case hexadecimal digits", isDigest) ?? "";
      return { ...base, kind: "spool", size, sha256 };
    }
    default:
      problems.push("its kind must be text, bytes, file, url or spool");
      return undefined;
  }
}

/** A Buffer becomes `{type: "Buffer", data: […]}` on its way through JSON. */
function readBytes(value: unknown, problems: string[]): Uint8Array {
  if (types.isUint8Array(value)) return value;
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  const isByte = (byte: unknown) => Number.isInteger(byte) && (byte as number) >= 0 && (byte as number) < 256;
  if (type === "Buffer" && Array.isArray(data) && data.every(isByte)) return Buffer.from(data);
  problems.push("its bytes must be a Buffer");
  return new Uint8Array();
}

/**
 * A message's payload as literal content: text and bytes as they are, anything else as JSON. It is never
 * taken for a description of a source: what came in from outside must not choose what is read.
 * @throws DeliveryError `invalid` for what is no content and no JSON
 */
export function payloadSource(
  payload: unknown,
  { name, contentType }: { name: string; contentType?: string },
): SourceSpec {
  const base = { name: checkName(name), ...(contentType && { contentType: checkMediaType(contentType) }) };
  if (typeof payload === "string") return { kind: "text", text: payload, ...base };
  if (types.isUint8Array(payload)) return { kind: "bytes", bytes: payload, ...base };
  return { kind: "text", text: toJson(payload), contentType: "application/json", ...base };
}

function toJson(payload: unknown): string {
  if (payload === undefined || payload === null) {
    throw new DeliveryError("invalid", `There is nothing to deliver: the payload is ${payload}.`);
  }
  if (typeof payload === "number" && !Number.isFinite(payload)) {
    throw new DeliveryError("invalid", `The payload is ${payload}, which JSON cannot say.`);
  }
  try {
    const json: string | undefined = JSON.stringify(payload);
    if (json !== undefined) return json;
  } catch (error) {
    throw new DeliveryError("invalid", "The payload cannot be written as JSON. Send text or a Buffer.", {
      cause: error,
    });
  }
  throw new DeliveryError(
    "invalid",
    `A payload of the type ${typeof payload} cannot be delivered. Send text, a Buffer or an object.`,
  );
}

/** @throws DeliveryError `invalid` */
export function checkName(name: string): string {
  if (isName(name)) return name;
  throw new DeliveryError(
    "invalid",
    `The source's name ${JSON.stringify(name)} must be a file name without folders and control characters.`,
  );
}

/** @throws DeliveryError `invalid` */
export function checkMediaType(contentType: string): string {
  if (isMediaType(contentType)) return contentType;
  throw new DeliveryError(
    "invalid",
    `The content type ${JSON.stringify(contentType)} must be a media type such as text/csv.`,
  );
}

function isName(value: unknown): value is string {
  return isNonEmpty(value) && !value.includes("/") && !control.test(value) && value !== "." && value !== "..";
}

export function isMediaType(value: unknown): value is string {
  return isString(value) && mediaType.test(value);
}

function isDigest(value: unknown): value is string {
  return isString(value) && digest.test(value);
}

function isByteCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function isNonEmpty(value: unknown): value is string {
  return isString(value) && value !== "";
}

function isStrings(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && Object.values(value).every(isString);
}
