import type { BucketObject, ContentBucket } from "../content-bucket";
import { DeliveryError } from "../errors";
import { contentFeed } from "./content";
import { createLazyFeed } from "./lazy-spool";
import { openSource } from "./open";
import { streamOf } from "./reading";
import { cancelled, classifyStreamError } from "./source-errors";
import { createTurns, notThere, type Spool } from "./spool";
import { isDigest, isYoung, pruneContents, type SpoolLimits } from "./spool-prune";
import type { Written } from "./spool-write";

export interface BucketSpoolOptions extends SpoolLimits {
  /** That of this machine: content is in it before it goes to the bucket, and when it is read. */
  near: Spool;
  /** Lends the bucket for one piece of work. */
  use<T>(work: (bucket: ContentBucket) => Promise<T>): Promise<T>;
}

/**
 * A spool in a bucket, for machines that share deliveries. Each of them reads from a copy of its own, which it
 * gets once: however slow a target is, nobody waits for the bucket meanwhile.
 */
export function createBucketSpool({ near, use, ...limits }: BucketSpoolOptions): Spool {
  const sending = createTogether<void>();
  const fetching = createTogether<boolean>();
  const inTurn = createTurns();

  const within = async <T>(doing: string, work: (bucket: ContentBucket) => Promise<T>): Promise<T> => {
    let place = "The bucket of the delivery store";
    try {
      return await use((bucket) => {
        place = `The bucket of the delivery store, ${bucket.location},`;
        return work(bucket);
      });
    } catch (error) {
      // Whatever is wrong with it is not wrong with the delivery, or with its target.
      if (!(error instanceof DeliveryError) || error.kind === "local") throw error;
      const { code, message, retryAfterMs } = error;
      throw new DeliveryError("local", `${place} cannot ${doing}: ${message}`, {
        ...{ code, retryAfterMs, cause: error },
      });
    }
  };

  const isKept = async (bucket: ContentBucket, sha256: string, size?: number): Promise<boolean> => {
    const found = await bucket.look(sha256);
    if (!found || found.size !== (size ?? found.size)) return false;
    if (isYoung(found.modifiedMs, limits)) return true;
    return inTurn(async () => {
      const name = markOf(sha256);
      const mark = await bucket.look(name);
      if (mark && isYoung(mark.modifiedMs, limits)) return true;
      await bucket.put(name, await openSource({ kind: "text", name, text: "" }, { spool: near }));
      // Somebody may have removed it before he could see the mark.
      return (await bucket.look(sha256)) !== undefined;
    });
  };

  const send = (content: Written): Promise<void> =>
    within("keep the content", async (bucket) => {
      const { sha256, size } = content;
      if (await isKept(bucket, sha256, size)) return;
      const spec = { kind: "spool" as const, name: sha256, sha256, size };
      await bucket.put(sha256, await openSource(spec, { spool: near }));
    });

  const fetch = (sha256: string, size?: number): Promise<boolean> =>
    within("give the content", async (bucket) => {
      const found = await bucket.look(sha256);
      if (!found || found.size !== (size ?? found.size)) return false;
      const what = `${bucket.location}${sha256}`;
      const feed = contentFeed(bucket.read(found), what, (error) => classifyStreamError(error, what));
      const written = await near.put(streamOf(feed, { what }));
      if (written.sha256 === sha256) return true;
      throw new DeliveryError(
        "local",
        `The content at ${what} is not what was put there. Look after the bucket.`,
      );
    });

  const ready: Spool["ready"] = async (sha256, size, signal) => {
    if (await near.has(sha256, size)) return true;
    // It goes on all the same: others may wait for it, and the next attempt needs it.
    return unlessAborted(
      fetching(sha256, () => fetch(sha256, size)),
      signal,
    );
  };

  const feed: Spool["feed"] = (sha256, options) =>
    createLazyFeed(async () => {
      if (await ready(sha256)) return near.feed(sha256, options);
      throw notThere(sha256);
    });

  return {
    ready,
    feed,
    open: (sha256) => streamOf(feed(sha256), { what: `the spool's content ${sha256}` }),
    has: (sha256, size) => within("be looked into", (bucket) => isKept(bucket, sha256, size)),
    async put(stream, options) {
      const written = await near.put(stream, options);
      await sending(written.sha256, () => send(written));
      return written;
    },
    async prune(needed) {
      const doing = "be cleaned up";
      const listed = await within(doing, (bucket) => bucket.list());
      const all = new Map(listed.map((object) => [object.name, object]));
      const contents = listed
        .filter(({ name }) => isDigest(name))
        .map((object) => ({ ...object, lastMs: lastOf(object, all.get(markOf(object.name))) }));
      // The bucket is lent for each by itself: its connection may be wanted back meanwhile.
      const remove = (name: string, thanMs: number) =>
        inTurn(() => within(doing, (bucket) => removeOlder(bucket, name, thanMs)));
      return pruneContents(contents, { ...limits, needed, remove });
    },
  };
}

/** An object of this name says that the content was needed again; to put it again would cost more. */
const markOf = (sha256: string) => `${sha256}.needed`;

function lastOf(content: BucketObject, mark: BucketObject | undefined): number {
  return Math.max(content.modifiedMs, mark?.modifiedMs ?? 0);
}

/** Looks once more: the content may have been needed again since. */
async function removeOlder(bucket: ContentBucket, name: string, thanMs: number): Promise<boolean> {
  const [content, mark] = await Promise.all([bucket.look(name), bucket.look(markOf(name))]);
  if (!content || lastOf(content, mark) > thanMs) return false;
  await bucket.remove(name);
  if (mark) await bucket.remove(mark.name);
  return true;
}

/** Work for the same key is done once for all who ask while it is under way. */
function createTogether<T>(): (key: string, work: () => Promise<T>) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  return (key, work) => {
    const begun = underWay.get(key) ?? work().finally(() => underWay.delete(key));
    underWay.set(key, begun);
    return begun;
  };
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  // Nobody may wait for it any more when it fails.
  work.catch(() => {});
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(cancelled(signal.reason));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
