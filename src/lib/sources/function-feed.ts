import type { FunctionInput } from "../types";
import { contentFeed } from "./content";
import type { Feed } from "./reading";
import { classifyFunctionError } from "./source-errors";

/** Calls the function with the first chunk that is asked for, so that time-out and abort hold for it too. */
export function functionFeed({ produce }: FunctionInput, what: string): Feed {
  const interrupting = new AbortController();
  const classify = (error: unknown) => classifyFunctionError(error, what);
  let feed: Feed | undefined;
  let ended = false;
  const start = async (): Promise<Feed> => {
    let content: unknown;
    try {
      content = await produce(interrupting.signal);
    } catch (error) {
      throw classify(error);
    }
    const started = contentFeed(content, what, classify);
    if (interrupting.signal.aborted) started.close();
    return started;
  };
  return {
    async next() {
      feed ??= await start();
      const chunk = await feed.next();
      ended = chunk === undefined;
      return chunk;
    },
    close() {
      // A function that gave everything has nothing left to interrupt.
      if (!ended) interrupting.abort();
      feed?.close();
    },
  };
}
