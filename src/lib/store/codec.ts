import type { Delivery, DeliveryDraft } from "../types";

/** What of a delivery never changes once it was accepted. */
export function encodeDraft(delivery: Delivery): string {
  const { id, writer, source, target, location, contentType, metadata, attributes, onceKey, message } =
    delivery;
  const draft = { id, writer, source, target, location, contentType, metadata, attributes, onceKey };
  if (isJson(message, [])) return encodeText({ ...draft, message });
  return JSON.stringify(encode({ ...draft, message: storable(message) }));
}

/** The rest of it. */
export function encodeProgress(delivery: Delivery): string {
  const { state, attempts, begun, acceptedAt, dueAt, finishedAt, takenAt } = delivery;
  const { receipt, error, reason, decidedBy } = delivery;
  const progress = { state, attempts, begun, acceptedAt, dueAt, finishedAt, takenAt };
  return encodeText({ ...progress, receipt, error, reason, decidedBy });
}

/** @throws Error for a text that `encodeDraft` has not written */
export function decodeDraft(draft: string): DeliveryDraft {
  return decodeText(draft) as DeliveryDraft;
}

/** @throws Error for a text that `encodeProgress` has not written */
export function decodeProgress(
  progress: string,
): Omit<Delivery, keyof DeliveryDraft | "announced" | "version"> {
  return decodeText(progress) as ReturnType<typeof decodeProgress>;
}

/**
 * A message's plain data. Left out is what no other process could use: functions, and properties with
 * cycles in them, such as the request and response of an http-in node.
 */
function storable(message: unknown): unknown {
  if (typeof message !== "object" || message === null || Array.isArray(message)) return message;
  return Object.fromEntries(Object.entries(message).filter(([, value]) => isTree(value, [])));
}

function isTree(value: unknown, above: unknown[]): boolean {
  if (typeof value === "function" || typeof value === "symbol") return false;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return true;
  if (above.includes(value)) return false;
  above.push(value);
  for (const name of Object.keys(value)) {
    if (!isTree((value as Record<string, unknown>)[name], above)) return false;
  }
  above.pop();
  return true;
}

// What JSON has no words for becomes an object with one name that begins with $; an object that looks
// like that by itself is wrapped, so that it comes back as it was.
const bytesTag = "$bytes";
const dateTag = "$date";
const bigintTag = "$bigint";
const plainTag = "$plain";

function encodeText(value: object): string {
  return JSON.stringify(isJson(value, []) ? value : encode(value));
}

/** Nearly everything is; making a copy of it would take many times longer than this look. */
function isJson(value: unknown, above: unknown[]): boolean {
  if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol") return false;
  if (typeof value !== "object" || value === null) return true;
  if (ArrayBuffer.isView(value) || above.includes(value)) return false;
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
  const names = Object.keys(value);
  if (names.length === 1 && names[0]?.startsWith("$")) return false;
  above.push(value);
  for (const name of names) if (!isJson((value as Record<string, unknown>)[name], above)) return false;
  above.pop();
  return true;
}

function encode(value: unknown): unknown {
  if (typeof value === "bigint") return { [bigintTag]: String(value) };
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return { [dateTag]: value.getTime() };
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return { [bytesTag]: Buffer.from(buffer, byteOffset, byteLength).toString("base64") };
  }
  if (Array.isArray(value)) return value.map(encode);
  const encoded = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, encode(inner)]));
  return tagOf(encoded) === undefined ? encoded : { [plainTag]: encoded };
}

function decodeText(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return text.includes('{"$') ? decode(value) : value;
}

function decode(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const record = value as Record<string, unknown>;
  switch (tagOf(record)) {
    case bytesTag:
      return Buffer.from(String(record[bytesTag]), "base64");
    case dateTag:
      return new Date(record[dateTag] as number);
    case bigintTag:
      return BigInt(String(record[bigintTag]));
    case plainTag:
      return decodeAll(record[plainTag] as Record<string, unknown>);
    default:
      return decodeAll(record);
  }
}

function decodeAll(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([name, inner]) => [name, decode(inner)]));
}

function tagOf(record: Record<string, unknown>): string | undefined {
  const names = Object.keys(record);
  const [name] = names;
  return names.length === 1 && name?.startsWith("$") ? name : undefined;
}
