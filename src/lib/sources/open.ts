import { DeliveryError } from "../errors";
import type { DataSource, ReadOptions, SourceReading, SourceSpec, SpoolSpec } from "../types";
import { onceFeed } from "./content";
import { openFile } from "./file";
import { prepareSource } from "./prepare";
import { createReading, type Feed } from "./reading";
import { cancelled } from "./source-errors";
import { notThere, type Spool } from "./spool";

export interface OpenContext {
  spool: Spool;
  /** How long a source may give nothing while it is read. Default: 60 s. */
  stallTimeoutMs?: number;
  /** Ends the opening. What is read has a signal of its own. */
  signal?: AbortSignal;
}

/**
 * Opens a source for any number of passes. Reading a file fails with `changed` when it is no longer what
 * was pinned; an address is fetched here, once, unless the spool has its content.
 * @throws DeliveryError `local` when the spool has lost the content; for an address what `prepareSource`
 *   throws. What else can go wrong comes with the reading.
 */
export async function openSource(spec: SourceSpec, context: OpenContext): Promise<DataSource> {
  switch (spec.kind) {
    case "text": {
      const size = Buffer.byteLength(spec.text);
      return dataSource({ ...spec, size: spec.size ?? size }, context, async (start) =>
        onceFeed(Buffer.from(spec.text).subarray(start)),
      );
    }
    case "bytes":
      return dataSource({ ...spec, size: spec.size ?? spec.bytes.length }, context, async (start) =>
        onceFeed(spec.bytes.subarray(start)),
      );
    case "file":
      return dataSource(spec, context, (start) => openFile(spec, start));
    case "url":
      return openSource(await prepareSource(spec, context), context);
    case "spool":
      return openSpooled(spec, context);
    default:
      throw new DeliveryError(
        "invalid",
        `There is no source of the kind ${(spec as { kind: unknown }).kind}.`,
      );
  }
}

async function openSpooled(spec: SpoolSpec, context: OpenContext): Promise<DataSource> {
  const { spool, signal } = context;
  const { name, size, sha256 } = spec;
  if (!(await spool.ready(sha256, size, signal))) throw notThere(name);
  const open = async (start: number) => spool.feed(sha256, { start });
  return dataSource(spec, context, open, () => notThere(name));
}

function dataSource(
  spec: SourceSpec,
  { stallTimeoutMs }: OpenContext,
  open: (start: number) => Promise<Feed>,
  mismatch?: () => DeliveryError,
): DataSource {
  const { name, contentType, size, sha256 } = spec;
  return {
    name,
    contentType,
    size,
    sha256,
    async read(options: ReadOptions = {}): Promise<SourceReading> {
      if (options.signal?.aborted) throw cancelled(options.signal.reason);
      const feed = await open(options.start ?? 0);
      const what = spec.kind === "file" ? `the source file ${spec.path}` : `the source ${name}`;
      return createReading(feed, {
        ...options,
        what,
        size,
        sha256,
        stallTimeoutMs,
        ...(mismatch && { mismatch }),
      });
    },
  };
}
