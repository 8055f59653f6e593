import type { IncomingMessage } from "node:http";
import { classifyCommonError, codeOf, DeliveryError, type ErrorKind } from "../errors";

/** The address for people: without a user, a password, and a query, which may be a key. */
export function describeUrl({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

/** A failure to reach the server, or to read its answer. */
export function classifyUrlError(error: unknown, url: URL): DeliveryError {
  const where = `the web server ${url.host}`;
  const common = classifyCommonError(error, where);
  if (common && common.kind !== "invalid") return common;
  if (common === error && common) return common;
  const code = codeOf(error);
  if (common) {
    return new DeliveryError(
      "invalid",
      `The TLS connection to ${where} was refused (${code}). Check the address and the server's certificate; for an authority of your own, start Node.js with NODE_EXTRA_CA_CERTS.`,
      { code, cause: error },
    );
  }
  const reason = code?.startsWith("HPE_") ? "its answer is not HTTP" : "the connection failed";
  return new DeliveryError(
    "unavailable",
    `Cannot read from ${where}: ${reason}${code ? ` (${code})` : ""}.`,
    {
      code,
      cause: error,
    },
  );
}

/** A connection that ended before its content did. */
export function classifyBodyError(error: unknown, url: URL): DeliveryError {
  if (error instanceof DeliveryError) return error;
  return codeOf(error) === "ECONNRESET" ? cutShort(url) : classifyUrlError(error, url);
}

export function cutShort(url: URL): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `The web server ${url.host} closed the connection before all of ${describeUrl(url)} had come.`,
    { code: "ECONNRESET" },
  );
}

/** The server has other content now than when the reading began. */
export function contentChanged(url: URL): DeliveryError {
  return new DeliveryError(
    "changed",
    `What is at ${describeUrl(url)} changed while it was being read. Read it again when it is at rest.`,
  );
}

type Rule = readonly [kind: ErrorKind, advice: string];

const statusRules: Record<number, Rule> = {
  401: ["denied", "It wants a user and a password, or a key. Check the address and the headers."],
  403: ["denied", "It does not permit that. Check the rights, the address and the headers."],
  404: ["missing", "There is nothing at this address."],
  407: ["denied", "A proxy wants a user and a password."],
  408: ["unavailable", "The server gave up waiting."],
  410: ["missing", "What was at this address is gone."],
  421: ["unavailable", "The request came to the wrong server."],
  425: ["unavailable", "The server wants the request later."],
  429: ["throttled", "The server gets too many requests. Ask less often."],
};

const serverFault: Rule = ["unavailable", "The server has a fault or is busy."];
const refusal: Rule = [
  "invalid",
  "The server does not understand the request. Check the address and headers.",
];

/** An answer that is no content. */
export function statusError(response: IncomingMessage, url: URL): DeliveryError {
  const { statusCode = 0, statusMessage = "" } = response;
  const [kind, advice] = statusRules[statusCode] ?? (statusCode >= 500 ? serverFault : refusal);
  // Their text goes into a log line and a mail: nothing but plain words.
  const words = /^[\w ,.'-]{1,60}$/.test(statusMessage) ? ` ${statusMessage}` : "";
  return new DeliveryError(kind, `${describeUrl(url)} answered ${statusCode}${words}. ${advice}`, {
    code: String(statusCode),
    retryAfterMs: retryAfterMs(response.headers["retry-after"]),
  });
}

/** Seconds or a date (RFC 9110 §10.2.3). */
function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(date - Date.now(), 0);
}
