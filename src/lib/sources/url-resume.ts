import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { DeliveryError } from "../errors";
import { contentFeed } from "./content";
import type { Feed } from "./reading";
import { classifyBodyError, contentChanged, cutShort, describeUrl } from "./url-errors";

/** Before a further request, after so many in a row that brought nothing. */
const waitsMs = [0, 300, 1_000];
/** However much each of them brings. */
const mostRequests = 100;

/** Asks for the same address again, with more headers. */
export type AskAgain = (headers: Record<string, string>, signal: AbortSignal) => Promise<IncomingMessage>;

/**
 * The body of an answer. Where the connection breaks in the middle the rest is asked for, if a strong ETag
 * can vouch that it is of the same content (RFC 9110 §8.8.1 and §13.1.5).
 * `next` throws `unavailable` when not all of it comes, `changed` when the server has other content now.
 */
export function resumingFeed(first: IncomingMessage, url: URL, askAgain: AskAgain): Feed {
  const known = describe(first);
  const closing = new AbortController();
  let { total } = known;
  let response = first;
  let body = bodyOf(first, url);
  let received = 0;
  let requests = 0;
  let inVain = 0;

  const read = async (): Promise<Uint8Array | undefined> => {
    const chunk = await body.next();
    if (chunk === undefined && (!response.complete || received !== (total ?? received))) throw cutShort(url);
    received += chunk?.length ?? 0;
    if (chunk !== undefined) inVain = 0;
    return chunk;
  };

  /** @throws DeliveryError when the rest cannot be had */
  const goOn = async (): Promise<void> => {
    const rest = await askAgain(
      { range: `bytes=${received}-`, "if-range": known.etag ?? "" },
      closing.signal,
    );
    try {
      total = checkRest(rest, url, { ...known, received, total });
    } catch (error) {
      rest.destroy();
      throw error;
    }
    response = rest;
    body = bodyOf(rest, url);
  };

  const recover = async (failure: unknown): Promise<void> => {
    for (let error = failure; ; ) {
      const waitMs = waitsMs[inVain];
      const passes = error instanceof DeliveryError && error.kind === "unavailable";
      const possible = known.etag !== undefined && received > 0 && requests < mostRequests;
      if (!passes || !possible || waitMs === undefined || closing.signal.aborted) throw error;
      requests += 1;
      inVain += 1;
      try {
        await sleep(waitMs, undefined, { signal: closing.signal });
        return await goOn();
      } catch (again) {
        // Why it began to fail says more than why it could not be mended, unless that is final.
        error = again instanceof DeliveryError && again.kind !== "unavailable" ? again : failure;
      }
    }
  };

  return {
    async next() {
      for (;;) {
        try {
          return await read();
        } catch (error) {
          await recover(error);
        }
      }
    },
    close() {
      closing.abort();
      body.close();
    },
  };
}

function bodyOf(response: IncomingMessage, url: URL): Feed {
  return contentFeed(response, describeUrl(url), (error) => classifyBodyError(error, url));
}

interface Known {
  /** Absent when there is none that can vouch for every byte, or the server gives no ranges. */
  etag: string | undefined;
  coding: string | undefined;
  total: number | undefined;
}

function describe({ statusCode, headers }: IncomingMessage): Known {
  const { etag, "accept-ranges": ranges, "content-length": length } = headers;
  const strong = statusCode === 200 && ranges !== "none" && /^"[^"]*"$/.test(etag ?? "");
  return {
    etag: strong ? etag : undefined,
    coding: headers["content-encoding"],
    total: length === undefined ? undefined : Number(length),
  };
}

/**
 * @returns the size of the whole
 * @throws DeliveryError unless the answer is the rest of the same content
 */
function checkRest(rest: IncomingMessage, url: URL, known: Known & { received: number }): number {
  const { statusCode, headers } = rest;
  const otherEtag = headers.etag !== undefined && headers.etag !== known.etag;
  if (statusCode === 416 || ((statusCode === 200 || statusCode === 206) && otherEtag)) {
    throw contentChanged(url);
  }
  // It gives no parts of it, or nothing at the moment: from the beginning it may.
  if (statusCode !== 206) throw cutShort(url);
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/
    .exec(headers["content-range"] ?? "")
    ?.slice(1)
    .map(Number);
  const [start, end = 0, total = 0] = range ?? [];
  if (start !== known.received || end !== total - 1) throw cutShort(url);
  if (total !== (known.total ?? total) || headers["content-encoding"] !== known.coding) {
    throw contentChanged(url);
  }
  return total;
}
