import { type Feed, streamOf } from "./reading";
import type { Spool } from "./spool";

/** @param get is asked at each use: the spool may not be there yet, or not any more, and then this throws */
export function createLazySpool(get: () => Promise<Spool>): Spool {
  const feed: Spool["feed"] = (...request) => createLazyFeed(async () => (await get()).feed(...request));
  return {
    async put(stream, options) {
      const spool = await get().catch((error: unknown) => {
        stream.on("error", () => {}).destroy();
        throw error;
      });
      return spool.put(stream, options);
    },
    feed,
    open: (sha256) => streamOf(feed(sha256), { what: `the spool's content ${sha256}` }),
    has: async (...request) => (await get()).has(...request),
    ready: async (...request) => (await get()).ready(...request),
    prune: async (needed) => (await get()).prune(needed),
  };
}

/** A feed that takes its time to be opened. */
export function createLazyFeed(open: () => Promise<Feed>): Feed {
  let feed: Feed | undefined;
  let closed = false;
  return {
    async next() {
      if (!feed) {
        feed = await open();
        if (closed) feed.close();
      }
      return feed.next();
    },
    recycle: (chunk) => feed?.recycle?.(chunk),
    close() {
      closed = true;
      feed?.close();
    },
  };
}
