import http from "node:http";
import { DeliveryError } from "../errors";
import type { UrlSpec } from "../types";
import type { Feed } from "./reading";
import { tooLarge } from "./source-errors";
import { isMediaType } from "./spec";
import { describeUrl, statusError } from "./url-errors";
import { type FetchOptions, type Headers, request } from "./url-request";
import { resumingFeed } from "./url-resume";

const maxRedirects = 5;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

export interface Fetched {
  /** The bytes as they came: they are asked for, and kept, without a content coding. */
  feed: Feed;
  /** What the server says of it, unless that says nothing. */
  contentType: string | undefined;
}

/**
 * Gets what is at an http or https address. `fetch` is of no use here: it unpacks without a limit, keeps
 * headers across origins and asks for names where nobody can check the answer.
 * @throws DeliveryError as the table of source errors says; no message holds a user, password or query
 */
export async function fetchUrl(spec: UrlSpec, options: FetchOptions): Promise<Fetched> {
  let url = parseUrl(spec.url);
  let headers = checkHeaders(spec.headers ?? {});
  for (let redirects = 0; ; redirects++) {
    const response = await request(url, headers, options);
    if (!redirectStatuses.has(response.statusCode ?? 0)) return accept(response, url, headers, options);
    response.destroy();
    if (redirects === maxRedirects) {
      throw new DeliveryError("invalid", `${describeUrl(url)} leads on after ${maxRedirects} redirects.`);
    }
    const next = redirectTarget(response, url);
    // What is meant for one server is not for another, which may be anybody's.
    if (next.origin !== url.origin) headers = {};
    url = next;
  }
}

function redirectTarget(response: http.IncomingMessage, url: URL): URL {
  const { location } = response.headers;
  if (location === undefined || !URL.canParse(location, url.href)) throw statusError(response, url);
  const next = new URL(location, url);
  const sameOrigin = next.origin === url.origin;
  next.username = sameOrigin ? url.username : "";
  next.password = sameOrigin ? url.password : "";
  return parseUrl(next.href);
}

function parseUrl(text: string): URL {
  if (!URL.canParse(text) || !hasPlainCredentials(new URL(text))) {
    throw new DeliveryError(
      "invalid",
      "The source's address is not a URL such as https://example.com/file.csv.",
    );
  }
  const url = new URL(text);
  if (url.protocol === "http:" || url.protocol === "https:") return url;
  throw new DeliveryError(
    "invalid",
    `The source's address begins with ${url.protocol} but only http: and https: can be fetched.`,
  );
}

/** Node.js decodes user and password, and throws when it cannot. */
function hasPlainCredentials({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

function checkHeaders(headers: Headers): Headers {
  for (const [name, value] of Object.entries(headers)) {
    try {
      http.validateHeaderName(name);
      http.validateHeaderValue(name, value);
    } catch {
      throw new DeliveryError(
        "invalid",
        `The header ${JSON.stringify(name)} cannot be sent: it holds a wrong character.`,
      );
    }
  }
  return headers;
}

function accept(response: http.IncomingMessage, url: URL, headers: Headers, options: FetchOptions): Fetched {
  try {
    checkAnswer(response, url, options);
  } catch (error) {
    response.destroy();
    throw error;
  }
  const type = response.headers["content-type"];
  return {
    // The rest is asked for where the first byte came from: no redirect leads elsewhere any more.
    feed: resumingFeed(response, url, (more, signal) =>
      request(url, { ...headers, ...more }, { ...options, signal }),
    ),
    contentType: isMediaType(type) && !/^application\/octet-stream/i.test(type) ? type : undefined,
  };
}

function checkAnswer(response: http.IncomingMessage, url: URL, options: FetchOptions): void {
  const { statusCode = 0, headers } = response;
  // 206 is a part, and nobody asked for one.
  if (statusCode < 200 || statusCode > 299 || statusCode === 206) throw statusError(response, url);
  const { maxBytes = Infinity, allowUnknownLength = false } = options;
  if (Number(headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const told = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
  if (told || statusCode === 204 || statusCode === 205 || allowUnknownLength) return;
  throw new DeliveryError(
    "invalid",
    `The web server ${url.host} does not say how long ${describeUrl(url)} is, so a broken connection would look like its end. Have it send Content-Length.`,
  );
}
