import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { S3Error } from "./errors";
import type { Answer } from "./exchange";
import type { InjectedAnswer } from "./hook";
import { xmlDocument } from "./xml";

export interface RequestIds {
  requestId: string;
  hostId: string;
}

export function createRequestIds(): RequestIds {
  return {
    requestId: randomBytes(8).toString("hex").toUpperCase(),
    hostId: randomBytes(36).toString("base64"),
  };
}

/** S3's own XML for anything that was thrown. */
export function errorAnswer(error: unknown, path: string, ids: RequestIds): Answer {
  const known = error instanceof S3Error ? error : new S3Error("InternalError", String(error));
  return {
    status: known.status,
    headers: { "content-type": "application/xml" },
    body: errorXml(known.code, known.message, { ...known.details, Resource: path }, ids),
  };
}

export function injectedAnswer(injected: InjectedAnswer, path: string, ids: RequestIds): Answer {
  const { status, code, message = "Injected by the test.", body, headers } = injected;
  const xml = code === undefined ? "" : errorXml(code, message, { Resource: path }, ids);
  return { status, headers: { "content-type": "application/xml", ...headers }, body: body ?? xml };
}

function errorXml(code: string, message: string, details: Record<string, string>, ids: RequestIds): string {
  const children = { Code: code, Message: message, ...details, RequestId: ids.requestId, HostId: ids.hostId };
  return xmlDocument("Error", children, "");
}

/** Sends an answer, and takes in what is left of the request, so that the client gets to hear it. */
export async function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { status = 200, headers = {}, body = "" }: Answer,
  ids: RequestIds,
): Promise<void> {
  response.writeHead(status, {
    "x-amz-request-id": ids.requestId,
    "x-amz-id-2": ids.hostId,
    ...(typeof body === "string" && body !== "" && { "content-type": "application/xml" }),
    ...headers,
    ...(typeof body === "string" &&
    !("content-length" in headers) &&
    status >= 200 &&
    status !== 204 &&
    status !== 304
      ? { "content-length": Buffer.byteLength(body) }
      : {}),
    ...(waitsToSend(request) && { connection: "close" }),
  });
  if (typeof body !== "string") return pipeline(body, response);
  response.end(request.method === "HEAD" ? "" : body);
  request.resume();
}

/** It was never told to go on, and nobody knows whether it does. */
function waitsToSend(request: IncomingMessage): boolean {
  return request.headers.expect?.toLowerCase() === "100-continue" && !request.readableDidRead;
}
