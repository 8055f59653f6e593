import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { CredentialStore } from "./credentials";
import type { S3Injection } from "./hook";
import type { S3RequestInfo } from "./operations";
import type { Signature } from "./signature";
import type { Store } from "./store";

/** What all requests share. */
export interface ServerState {
  readonly store: Store;
  readonly credentials: CredentialStore;
  readonly region: string | undefined;
  readonly domain: string;
  /** Called before a change is answered. */
  readonly save: (() => void) | undefined;
  readonly role: { arn: string; externalId?: string } | undefined;
}

/** One request whose signature is right. */
export interface Exchange extends ServerState {
  readonly info: S3RequestInfo;
  readonly signature: Signature;
  header(name: string): string | undefined;
  /** The body as it is on the wire. */
  body(): AsyncIterable<Buffer>;
}

export interface Answer {
  /** Default: 200. */
  status?: number;
  headers?: Record<string, string | number>;
  body?: string | Readable;
}

export type Handler = (exchange: Exchange) => Answer | Promise<Answer>;

/**
 * The request's body, cut or stalled as injected. Whoever stops reading leaves the connection alive, so
 * that the reason can be answered.
 */
export async function* readBody(
  request: IncomingMessage,
  response: ServerResponse,
  { dropAfterBytes, stallAfterBytes }: S3Injection,
): AsyncGenerator<Buffer> {
  if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (dropAfterBytes !== undefined && bytes >= dropAfterBytes) {
      request.socket.destroy();
      throw new Error("The connection was cut, as injected.");
    }
    if (stallAfterBytes !== undefined && bytes >= stallAfterBytes) {
      await new Promise((resolve) => request.socket.once("close", resolve));
    }
    yield chunk;
  }
}
