import { type Feed, streamOf } from "./reading";
import type { Spool } from "./spool";

/** Opens a spool at its first use, and tries again at the next one when that fails. */
export function createLazySpool(open: () => Promise<Spool>): Spool {
  let opening: Promise<Spool> | undefined;
  const opened = (): Promise<Spool> => {
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  const feed: Spool["feed"] = (...request) => createLazyFeed(async () => (await opened()).feed(...request));
  return {
    async put(stream, options) {
      const spool = await opened().catch((error: unknown) => {
        stream.on("error", () => {}).destroy();
        throw error;
      });
      return spool.put(stream, options);
    },
    feed,
    open: (sha256) => streamOf(feed(sha256), { what: `the spool's content ${sha256}` }),
    has: async (...request) => (await opened()).has(...request),
    ready: async (...request) => (await opened()).ready(...request),
    prune: async (needed) => (await opened()).prune(needed),
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
