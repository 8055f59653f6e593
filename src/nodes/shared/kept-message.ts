import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { types } from "node:util";
import type { NodeAPI, NodeMessage } from "node-red";
import { DeliveryError, type Spool } from "../../lib";
import type { RecordProperty } from "./errors";

/** A message as a store keeps it with its delivery: its large values are in the spool. */
export interface KeptMessage {
  message: NodeMessage;
  large: LargeValue[];
  /** Where the delivery's record goes. */
  property: RecordProperty;
}

interface LargeValue {
  /** What is within another large value comes after it. */
  path: string[];
  type: "text" | "bytes" | "json";
  sha256: string;
}

/** Below this, a file of its own costs more than it saves. */
const largeBytes = 65_536;

/** @throws DeliveryError `invalid` for a message that Node-RED cannot copy */
export function copyMessage(RED: NodeAPI, msg: NodeMessage): NodeMessage {
  try {
    return RED.util.cloneMessage(msg);
  } catch (error) {
    throw new DeliveryError(
      "invalid",
      "This message cannot be kept, because it cannot be copied: something in it is no plain data, or lies too deep. Remove what is not needed from it.",
      { cause: error },
    );
  }
}

/**
 * Takes a message apart. `kept` is plain data. `live` has those properties, whole, of which something is
 * no plain data, such as the connection of an http-in node or a function: only this process can pass
 * them on. `heavy` names those that are large, and of which nothing was left out.
 * @throws DeliveryError `local` when the spool cannot keep a value
 */
export async function keepMessage(
  { req, res, ...rest }: NodeMessage & { req?: unknown; res?: unknown },
  property: KeptMessage["property"],
  spool: Spool,
): Promise<{ kept: KeptMessage; live: object; heavy: string[] }> {
  const live: Record<string, unknown> = {
    ...(req !== undefined && { req }),
    ...(res !== undefined && { res }),
  };
  const message: Record<string, unknown> = {};
  const found: Found[] = [];
  const heavy: string[] = [];
  for (const [name, value] of Object.entries(rest)) {
    const { plain, whole, large, json, weight } = takeApart(value, name);
    if (!whole) live[name] = value;
    else if (large.length > 0 || weight > largeBytes) heavy.push(name);
    if (json !== undefined) found.push({ path: [name], type: "json", value: json });
    if (plain !== undefined) message[name] = json === undefined ? plain : null;
    found.push(...large);
  }
  const large = await Promise.all(found.map((one) => keepLarge(one, spool)));
  return { kept: { message: message as unknown as NodeMessage, large, property }, live, heavy };
}

interface Found extends Omit<LargeValue, "sha256"> {
  value: string | Uint8Array;
}

async function keepLarge({ path, type, value }: Found, spool: Spool): Promise<LargeValue> {
  const { sha256 } = await spool.put(Readable.from([Buffer.from(value as Uint8Array)]));
  return { path, type, sha256 };
}

/** Thrown by a part that cannot be kept, to leave out the whole instance that it is in. */
const noPlainData = Symbol("no plain data");

interface TakenApart {
  plain: unknown;
  /** Whether nothing was left out. */
  whole: boolean;
  large: Found[];
  /** `plain` as JSON, if that is what it can be and it is large: a store would read it again at every step. */
  json: string | undefined;
  /** About as many characters as JSON would take of it, but for what is in `large`. */
  weight: number;
}

/**
 * Left out are functions, and references back up, which have no end. In the places of large values is null.
 * What is as it should be is not copied: in large messages there is much of that.
 */
function takeApart(value: unknown, name: string): TakenApart {
  const large: Found[] = [];
  const above: unknown[] = [];
  const at = [name];
  let whole = true;
  let isJson = true;
  let weight = 0;

  const take = (part: unknown, strict: boolean): unknown => {
    weight += 4;
    if (typeof part === "string" || types.isUint8Array(part)) {
      const type = typeof part === "string" ? "text" : "bytes";
      if (part.length < largeBytes) {
        weight += part.length;
        if (type === "bytes") isJson = false;
        return part;
      }
      large.push({ path: [...at], type, value: part });
      return null;
    }
    if (typeof part === "function" || typeof part === "symbol" || above.includes(part)) {
      whole = false;
      if (strict) throw noPlainData;
      return undefined;
    }
    if (typeof part === "bigint") isJson = false;
    if (typeof part !== "object" || part === null) return part;
    if (part instanceof Date || ArrayBuffer.isView(part)) {
      isJson = false;
      return part;
    }
    if (isPlain(part)) return takeInside(part, part, strict);
    return strict ? takeInside(part, { ...part }, strict) : takeInstance(part);
  };
  /** @param same what is given back when nothing in it has to be another */
  const takeInside = (part: object, same: object, strict: boolean): unknown => {
    above.push(part);
    let taken = same as Record<string, unknown>;
    for (const name of Object.keys(part)) {
      const inner = (part as Record<string, unknown>)[name];
      at.push(name);
      weight += name.length;
      const plain = take(inner, strict);
      at.pop();
      if (plain === inner) continue;
      if (taken === part) taken = (Array.isArray(part) ? [...part] : { ...part }) as typeof taken;
      taken[name] = plain;
    }
    above.pop();
    return taken;
  };
  /** Sockets and the like lead everywhere: the first sign of that is enough. */
  const takeInstance = (part: object): unknown => {
    whole = false;
    const before = { large: large.length, above: above.length, at: at.length };
    try {
      return takeInside(part, { ...part }, true);
    } catch (error) {
      if (error !== noPlainData) throw error;
      large.length = before.large;
      above.length = before.above;
      at.length = before.at;
      return undefined;
    }
  };
  const plain = take(value, false);
  const json = isJson && whole && weight > largeBytes ? JSON.stringify(plain) : undefined;
  return { plain, whole, large, json, weight };
}

/**
 * The message again, for the caller to change as it likes, and the paths of what the spool has lost of it.
 * @throws DeliveryError `local` when the spool cannot be read
 */
export async function restoreMessage(
  kept: KeptMessage,
  spool: Spool,
): Promise<{ message: NodeMessage; lost: string[] }> {
  const message = copyPlain(kept.message) as NodeMessage;
  const lost: string[] = [];
  for (const { path, type, sha256 } of kept.large) {
    const bytes = await read(sha256, spool);
    if (!bytes) {
      lost.push(path.join("."));
      continue;
    }
    const name = path.at(-1) ?? "";
    const holder = path
      .slice(0, -1)
      .reduce<Record<string, unknown> | undefined>(
        (object, step) => object?.[step] as Record<string, unknown> | undefined,
        message as unknown as Record<string, unknown>,
      );
    // Nothing to put it into: what it was in is lost.
    if (holder) holder[name] = readAs[type](bytes);
  }
  return { message, lost };
}

const readAs: Readonly<Record<LargeValue["type"], (bytes: Buffer) => unknown>> = {
  text: (bytes) => bytes.toString(),
  bytes: (bytes) => bytes,
  json: (bytes) => JSON.parse(bytes.toString()),
};

async function read(sha256: string, spool: Spool): Promise<Buffer | undefined> {
  try {
    return await buffer(spool.open(sha256));
  } catch (error) {
    if (error instanceof DeliveryError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** As `structuredClone`, but that makes bare bytes of Buffers, whose `toString` gives numbers. */
function copyPlain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(copyPlain);
  if (!isPlain(value)) return structuredClone(value);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copyPlain(inner)]));
}

function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  // What a function node makes has the Object of its own context.
  return Object.getPrototypeOf(prototype) === null && !(Symbol.toStringTag in value);
}
