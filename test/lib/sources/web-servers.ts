import { once } from "node:events";
import { readdirSync } from "node:fs";
import http from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll } from "vitest";
import { openSource, type PrepareContext, prepareSource, type UrlSpec } from "../../../src/lib";
import { readAll, temporarySpool } from "./folder";

export const spool = temporarySpool();
export const secret = "s3cr3t-pa55";
export const servers: Server[] = [];
export const open = new Set<Socket>();
export const requests: http.IncomingMessage[] = [];
export let origin: string;
export let otherOrigin: string;

type Answer = (response: http.ServerResponse, request: http.IncomingMessage) => void;

export const status =
  (code: number, headers: http.OutgoingHttpHeaders = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end("an answer");

export const redirect = (location: string, code = 302) => status(code, { location });

export const answers: Record<string, Answer> = {
  "/plain": (response) => response.setHeader("content-type", "text/csv; charset=utf-8").end("a;b\r\n"),
  "/empty": (response) => response.end(),
  "/none": (response) => response.writeHead(204).end(),
  "/octets": (response) => response.setHeader("content-type", "application/octet-stream").end("x"),
  "/chunked": (response) => {
    response.write("one ");
    response.end("two");
  },
  "/big": (response) => response.end(Buffer.alloc(5_000_000, "b")),
  "/endless": (response) => {
    const write = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on("drain", write);
    write();
  },
  "/bomb": (response) =>
    response.setHeader("content-encoding", "gzip").end(gzipSync(Buffer.alloc(10_000_000))),
  "/short": (response) => {
    response.writeHead(200, { "content-length": 100 }).write("only this");
    setTimeout(() => response.destroy(), 20);
  },
  "/short-chunked": (response) => {
    response.write("only this");
    setTimeout(() => response.destroy(), 20);
  },
  "/silent": () => {},
  "/stalls": (response) => response.write("a beginning"),
  "/to-plain": (response, request) =>
    redirect("/plain", Number(request.url?.split("?")[1] ?? 302))(response, request),
  "/to-other": (response, request) => redirect(`${otherOrigin}/plain`)(response, request),
  "/to-ftp": redirect("ftp://example.com/x"),
  "/to-file": redirect("file:///etc/passwd"),
  "/to-nowhere": redirect("http://"),
  "/to-nothing": status(302),
  "/round": redirect("/round"),
};

export async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("error", () => {}).once("close", () => open.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Answers each connection with these bytes and nothing else. */
export function rawServer(answer: string): Promise<number> {
  return listen(createServer((socket) => socket.once("data", () => socket.end(answer))));
}

beforeAll(async () => {
  const handler: http.RequestListener = (request, response) => {
    requests.push(request);
    const { pathname, searchParams } = new URL(request.url ?? "", "http://x");
    const hops = /^\/hop\/(\d+)$/.exec(pathname)?.[1];
    if (hops) redirect(hops === "1" ? "/plain" : `/hop/${Number(hops) - 1}`)(response, request);
    else if (pathname === "/status") {
      const retryAfter = searchParams.get("retry");
      status(Number(searchParams.get("code")), retryAfter ? { "retry-after": retryAfter } : {})(
        response,
        request,
      );
    } else (answers[pathname] ?? status(404))(response, request);
  };
  origin = `http://127.0.0.1:${await listen(http.createServer(handler))}`;
  otherOrigin = `http://127.0.0.1:${await listen(http.createServer(handler))}`;
});

afterAll(() => {
  for (const socket of open) socket.destroy();
  for (const server of servers) server.close();
});

export function get(url: string, context: Partial<PrepareContext> = {}, more: Partial<UrlSpec> = {}) {
  return prepareSource(
    { kind: "url", name: "a.csv", url: url.startsWith("/") ? origin + url : url, ...more },
    { spool, allowPrivateAddresses: true, ...context },
  );
}

export async function contentOf(url: string, context: Partial<PrepareContext> = {}): Promise<Buffer> {
  return readAll(await openSource(await get(url, context), { spool }));
}

export function leftovers(): string[] {
  return readdirSync(spool.folder).filter((name) => name.endsWith(".tmp"));
}
