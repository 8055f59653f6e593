import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
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
  path: string[];
  type: "text" | "bytes";
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
 * them on.
 * @throws DeliveryError `local` when the spool cannot keep a value
 */
export async function keepMessage(
  { req, res, ...rest }: NodeMessage & { req?: unknown; res?: unknown },
  property: KeptMessage["property"],
  spool: Spool,
): Promise<{ kept: KeptMessage; live: object }> {
  const live: Record<string, unknown> = {
    ...(req !== undefined && { req }),
    ...(res !== undefined && { res }),
  };
  const message: Record<string, unknown> = {};
  const found: Found[] = [];
  for (const [name, value] of Object.entries(rest)) {
    const { plain, whole, large } = takeApart(value, [name]);
    if (!whole) live[name] = value;
    if (plain !== undefined) message[name] = plain;
    found.push(...large);
  }
  const large = await Promise.all(found.map((one) => keepLarge(one, spool)));
  return { kept: { message: message as unknown as NodeMessage, large, property }, live };
}

interface Found {
  path: string[];
  value: string | Uint8Array;
}

async function keepLarge({ path, value }: Found, spool: Spool): Promise<LargeValue> {
  const { sha256 } = await spool.put(Readable.from([Buffer.from(value as Uint8Array)]));
  return { path, type: typeof value === "string" ? "text" : "bytes", sha256 };
}

/** Thrown by a part that cannot be kept, to leave out the whole instance that it is in. */
const noPlainData = Symbol("no plain data");

/** Left out are functions, and references back up, which have no end. In the places of large values is null. */
function takeApart(value: unknown, path: string[]): { plain: unknown; whole: boolean; large: Found[] } {
  const large: Found[] = [];
  const above: unknown[] = [];
  let whole = true;

  const take = (part: unknown, at: string[], strict: boolean): unknown => {
    if (typeof part === "string" || part instanceof Uint8Array) {
      if (part.length < largeBytes) return part;
      large.push({ path: at, value: part });
      return null;
    }
    if (typeof part === "function" || typeof part === "symbol" || above.includes(part)) {
      whole = false;
      if (strict) throw noPlainData;
      return undefined;
    }
    if (typeof part !== "object" || part === null) return part;
    if (part instanceof Date || ArrayBuffer.isView(part)) return part;
    return isPlain(part) || strict ? takeInside(part, at, strict) : takeInstance(part, at);
  };
  const takeInside = (part: object, at: string[], strict: boolean): unknown => {
    above.push(part);
    const inside = Array.isArray(part)
      ? part.map((inner, index) => take(inner, [...at, String(index)], strict))
      : Object.fromEntries(
          Object.entries(part).map(([name, inner]) => [name, take(inner, [...at, name], strict)]),
        );
    above.pop();
    return inside;
  };
  /** Sockets and the like lead everywhere: the first sign of that is enough. */
  const takeInstance = (part: object, at: string[]): unknown => {
    whole = false;
    const before = { large: large.length, above: above.length };
    try {
      return takeInside(part, at, true);
    } catch (error) {
      if (error !== noPlainData) throw error;
      large.length = before.large;
      above.length = before.above;
      return undefined;
    }
  };
  return { plain: take(value, path, false), whole, large };
}

/**
 * The message again, for the caller to change as it likes, and the paths of what the spool has lost of it.
 * @throws DeliveryError `local` when the spool cannot be read
 */
export async function restoreMessage(
  kept: KeptMessage,
  spool: Spool,
): Promise<{ message: NodeMessage; lost: string[] }> {
  const message = structuredClone(kept.message);
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
      .reduce<Record<string, unknown>>(
        (object, step) => object[step] as Record<string, unknown>,
        message as unknown as Record<string, unknown>,
      );
    holder[name] = type === "text" ? bytes.toString() : bytes;
  }
  return { message, lost };
}

async function read(sha256: string, spool: Spool): Promise<Buffer | undefined> {
  try {
    return await buffer(spool.open(sha256));
  } catch (error) {
    if (error instanceof DeliveryError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
