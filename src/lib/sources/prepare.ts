import { createHash } from "node:crypto";
import path from "node:path";
import { Readable } from "node:stream";
import { DeliveryError } from "../errors";
import { capitalised } from "../quotation";
import type {
  BytesSpec,
  FileSpec,
  FunctionInput,
  SourceInput,
  SourceSpec,
  StreamInput,
  TextSpec,
  UrlSpec,
} from "../types";
import { contentFeed, onceFeed } from "./content";
import { comparePin, openFile, statFile } from "./file";
import { functionFeed } from "./function-feed";
import { type Feed, streamOf } from "./reading";
import { cancelled, classifyStreamError, tooLarge } from "./source-errors";
import { checkMediaType, checkName } from "./spec";
import { notThere, type Spool } from "./spool";
import { fetchUrl } from "./url";

export interface PrepareContext {
  spool: Spool;
  signal?: AbortSignal;
  /** Copies a file to the spool instead of pinning it. Default: false. */
  snapshot?: boolean;
  /** More content than this is `rejected`. Default: no limit. */
  maxBytes?: number;
  /**
   * Lets an address lead to this machine and its networks; a list only to these hosts of them, as they stand
   * in the address. Default: false.
   */
  allowPrivateAddresses?: boolean | readonly string[];
  /** Takes a web answer without a length, whose end cannot be told from a broken connection. Default: false. */
  allowUnknownLength?: boolean;
  /** How long a source may give nothing. Default: 60 s, and 10 minutes for a function, which may compute. */
  stallTimeoutMs?: number;
}

const functionStallTimeoutMs = 10 * 60_000;

/**
 * Makes a source what every attempt and every target can read again: content that exists once, and text
 * and bytes above 64 KiB, go to the spool; a file is pinned to its present state; smaller text and bytes get
 * their size and digest.
 * @throws DeliveryError for a source that cannot be had: see the table of source errors
 */
export async function prepareSource(input: SourceInput, context: PrepareContext): Promise<SourceSpec> {
  checkName(input.name);
  if (input.contentType !== undefined) checkMediaType(input.contentType);
  if (context.signal?.aborted) throw cancelled(context.signal.reason);
  switch (input.kind) {
    case "text":
      return literal(input, Buffer.from(input.text), context);
    case "bytes":
      return literal(input, input.bytes, context);
    case "file":
      return context.snapshot ? snapshotFile(input, context) : pinFile(input, context);
    case "spool":
      if (await context.spool.has(input.sha256, input.size)) return input;
      throw notThere(input.name);
    case "url":
      return spoolUrl(input, context);
    case "function":
      return spoolFunction(input, context);
    case "stream":
      return spoolStream(input, context);
    default:
      throw new DeliveryError(
        "invalid",
        `There is no source of the kind ${(input as { kind: unknown }).kind}.`,
      );
  }
}

/** Literal content up to here is kept within its description; what is larger goes to the spool. */
export const inlineBytes = 65_536;

async function literal(
  input: TextSpec | BytesSpec,
  bytes: Uint8Array,
  context: PrepareContext,
): Promise<SourceSpec> {
  const { maxBytes = Infinity } = context;
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  if (bytes.length > inlineBytes) return keep(input, onceFeed(bytes), `the source ${input.name}`, context);
  const found = { size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  checkAnnounced(input, found);
  return { ...input, ...found };
}

async function pinFile(input: FileSpec, { maxBytes = Infinity }: PrepareContext): Promise<FileSpec> {
  const spec = { ...input, path: absolute(input.path) };
  const found = await statFile(spec.path);
  comparePin(spec, found, spec.path);
  if (found.size > maxBytes) throw tooLarge(maxBytes);
  return { ...spec, ...found };
}

async function snapshotFile(input: FileSpec, context: PrepareContext): Promise<SourceSpec> {
  const spec = await pinFile(input, context);
  return keep(spec, await openFile(spec), `the source file ${spec.path}`, context);
}

async function spoolUrl(input: UrlSpec, context: PrepareContext): Promise<SourceSpec> {
  const { name, contentType, size, sha256 } = input;
  if (sha256 !== undefined && size !== undefined && (await context.spool.has(sha256, size))) {
    return { kind: "spool", name, size, sha256, ...(contentType && { contentType }) };
  }
  const fetched = await fetchUrl(input, context);
  const type = contentType ?? fetched.contentType;
  return keep({ ...input, ...(type && { contentType: type }) }, fetched.feed, `the source ${name}`, context);
}

function spoolStream(input: StreamInput, context: PrepareContext): Promise<SourceSpec> {
  const what = `the stream of ${input.name}`;
  if (!(input.stream instanceof Readable)) {
    throw new DeliveryError("invalid", `${capitalised(what)} is not a readable stream.`);
  }
  const feed = contentFeed(input.stream, capitalised(what), (error) => classifyStreamError(error, what));
  return keep(input, feed, what, context);
}

function spoolFunction(input: FunctionInput, context: PrepareContext): Promise<SourceSpec> {
  const what = `the function of ${input.name}`;
  const { stallTimeoutMs = functionStallTimeoutMs } = context;
  return keep(input, functionFeed(input, capitalised(what)), what, { ...context, stallTimeoutMs });
}

/** Takes content to the spool. What was announced of it must be true. */
async function keep(
  input: { name: string; contentType?: string; size?: number; sha256?: string },
  feed: Feed,
  what: string,
  { spool, signal, maxBytes, stallTimeoutMs }: PrepareContext,
): Promise<SourceSpec> {
  const stream = streamOf(feed, { signal, what, stallTimeoutMs });
  const written = await spool.put(stream, {
    ...(signal && { signal }),
    ...(maxBytes !== undefined && { maxBytes }),
  });
  checkAnnounced(input, written);
  return {
    kind: "spool",
    name: input.name,
    ...(input.contentType !== undefined && { contentType: input.contentType }),
    ...written,
  };
}

function checkAnnounced(
  { name, size, sha256 }: { name: string; size?: number; sha256?: string },
  found: { size: number; sha256: string },
): void {
  if ((size ?? found.size) === found.size && (sha256 ?? found.sha256) === found.sha256) return;
  throw new DeliveryError(
    "changed",
    `The source ${name} has ${found.size} bytes and the SHA-256 ${found.sha256}, which is not what was announced.`,
  );
}

/** Whoever reads it later may have another working folder. */
function absolute(file: string): string {
  if (file === "") throw new DeliveryError("invalid", "The path of the source file is empty.");
  return path.resolve(file);
}
