import { buffer } from "node:stream/consumers";
import { DeliveryError } from "../errors";
import type { SourceSpec } from "../types";
import { openSource } from "./open";
import { inlineBytes } from "./prepare";
import { streamOf } from "./reading";
import { notThere, type Spool } from "./spool";

/**
 * Makes content what other machines can read, too: small content becomes a part of the delivery, larger
 * content goes to the spool `to`, which they share.
 * @param source a prepared one; `from` is the spool that it was prepared with
 * @throws DeliveryError when the source cannot be read, or `to` cannot keep it
 */
export async function shareSource(
  source: SourceSpec,
  { from, to }: { from: Spool; to: Spool },
): Promise<SourceSpec> {
  const { name, contentType } = source;
  const base = { name, ...(contentType !== undefined && { contentType }) };
  const opened = await openSource(source, { spool: from });
  const isSmall = opened.size !== undefined && opened.size <= inlineBytes;
  if (isSmall && (source.kind === "text" || source.kind === "bytes")) return source;
  const { stream } = await opened.read();
  if (!isSmall) return { kind: "spool", ...base, ...(await to.put(stream)) };
  const bytes = await buffer(stream);
  return {
    kind: "bytes",
    ...base,
    bytes,
    size: bytes.length,
    ...(source.sha256 !== undefined && { sha256: source.sha256 }),
  };
}

/** Whether a source's content is in the spool that machines share. Small content never is, nor needs it. */
export async function isShared(source: SourceSpec, spool: Spool): Promise<boolean> {
  return source.kind === "spool" && source.size > inlineBytes && spool.has(source.sha256, source.size);
}

/** Stands where there is no spool that all machines share: it keeps nothing, and says so. */
export function createAbsentSpool(): Spool {
  const feed: Spool["feed"] = (sha256) => ({
    async next() {
      throw notThere(sha256);
    },
    close() {},
  });
  return {
    async put(stream) {
      stream.on("error", () => {}).destroy();
      throw new DeliveryError(
        "invalid",
        `More than ${inlineBytes / 1_024} KiB has to be where every process that shares the delivery store can ` +
          "read it. Name a shared folder or a bucket in the settings of the store, or keep these deliveries in another store.",
      );
    },
    has: async () => false,
    ready: async () => false,
    feed,
    open: (sha256) => streamOf(feed(sha256), { what: "the absent spool" }),
    prune: async () => 0,
  };
}
