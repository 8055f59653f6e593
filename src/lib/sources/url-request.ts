import http from "node:http";
import https from "node:https";
import { DeliveryError } from "../errors";
import { defaultStallTimeoutMs } from "./reading";
import { cancelled } from "./source-errors";
import { checkLiteralAddress, publicLookup } from "./url-address";
import { classifyUrlError } from "./url-errors";

export interface FetchOptions {
  signal?: AbortSignal | undefined;
  /** A list allows these hosts, as they stand in the address, and no others of this machine and its networks. */
  allowPrivateAddresses?: boolean | readonly string[] | undefined;
  allowUnknownLength?: boolean | undefined;
  maxBytes?: number | undefined;
  /** For name, connection and TLS together. Default: 30 s. */
  connectTimeoutMs?: number | undefined;
  /** Between the request and its answer. Default: 60 s. */
  stallTimeoutMs?: number | undefined;
}

export type Headers = Record<string, string>;

/**
 * Asks for what is at the address, and for bytes without a content coding. Redirects are the caller's.
 * @throws DeliveryError when there is no answer, or the address is not allowed
 */
export function request(url: URL, headers: Headers, options: FetchOptions): Promise<http.IncomingMessage> {
  const { signal, connectTimeoutMs = 30_000, stallTimeoutMs = defaultStallTimeoutMs } = options;
  const guarded = !isAllowed(url, options);
  if (guarded) checkLiteralAddress(url);
  return new Promise((resolve, reject) => {
    const client = url.protocol === "https:" ? https : http;
    const get = client.get(url, {
      // A socket of a shared agent may lead anywhere.
      agent: false,
      headers: { ...withoutCoding(headers), "accept-encoding": "identity" },
      ...(guarded && { lookup: publicLookup }),
      // Node.js gives each address only 250 ms, which far servers need for themselves.
      autoSelectFamilyAttemptTimeout: 2_000,
    } as https.RequestOptions);

    const timeOut = (afterMs: number, what: string) =>
      setTimeout(() => get.destroy(timedOut(url, what, afterMs)), afterMs);
    let clock = timeOut(connectTimeoutMs, "could not be connected to");
    const onConnect = () => {
      clearTimeout(clock);
      clock = timeOut(stallTimeoutMs, "did not answer");
    };
    const abort = () => get.destroy(cancelled(signal?.reason));
    const settle = () => {
      clearTimeout(clock);
      signal?.removeEventListener("abort", abort);
    };

    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    get.once("socket", (socket) => socket.once(client === https ? "secureConnect" : "connect", onConnect));
    get.once("response", (response) => {
      settle();
      resolve(response);
    });
    // Stays: a late error of a connection that nobody needs any more must not end the process.
    get.on("error", (error) => {
      settle();
      reject(classifyUrlError(error, url));
    });
  });
}

/** Asked at each hop: what is allowed for one host is not for another that it names. */
function isAllowed({ hostname }: URL, { allowPrivateAddresses = false }: FetchOptions): boolean {
  if (typeof allowPrivateAddresses === "boolean") return allowPrivateAddresses;
  return allowPrivateAddresses.includes(hostname);
}

function withoutCoding(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== "accept-encoding"),
  );
}

function timedOut(url: URL, what: string, afterMs: number): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `The web server ${url.host} ${what} within ${Math.round(afterMs / 100) / 10} seconds.`,
    { code: "ETIMEDOUT" },
  );
}
