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

/** @throws DeliveryError `local` when the spool cannot keep a value */
export async function keepMessage(
  message: NodeMessage,
  property: KeptMessage["property"],
  spool: Spool,
): Promise<KeptMessage> {
  const large: LargeValue[] = [];
  const keep = async (value: unknown, path: string[]): Promise<unknown> => {
    if (typeof value === "string" || value instanceof Uint8Array) {
      if (value.length < largeBytes) return value;
      const { sha256 } = await spool.put(Readable.from([Buffer.from(value as Uint8Array)]));
      large.push({ path, type: typeof value === "string" ? "text" : "bytes", sha256 });
      return null;
    }
    if (Array.isArray(value)) {
      return Promise.all(value.map((inner, index) => keep(inner, [...path, String(index)])));
    }
    if (!isPlain(value)) return value;
    const entries = Object.entries(value).map(async ([name, inner]) => [
      name,
      await keep(inner, [...path, name]),
    ]);
    return Object.fromEntries(await Promise.all(entries));
  };
  // They belong to one connection, are not plain data, and lead everywhere.
  const { req: _req, res: _res, ...plain } = message as NodeMessage & { req?: unknown; res?: unknown };
  return { message: (await keep(plain, [])) as NodeMessage, large, property };
}

/**
 * The message again, for the caller to change as it likes.
 * @throws DeliveryError `local` when the spool has lost a value
 */
export async function restoreMessage(kept: KeptMessage, spool: Spool): Promise<NodeMessage> {
  const message = structuredClone(kept.message);
  for (const { path, type, sha256 } of kept.large) {
    const bytes = await buffer(spool.open(sha256));
    const name = path.at(-1) ?? "";
    const holder = path
      .slice(0, -1)
      .reduce<Record<string, unknown>>(
        (object, step) => object[step] as Record<string, unknown>,
        message as unknown as Record<string, unknown>,
      );
    holder[name] = type === "text" ? bytes.toString() : bytes;
  }
  return message;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
