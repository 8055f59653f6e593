import { once } from "node:events";
import { readdirSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSource, type PrepareContext, prepareSource, type UrlSpec } from "../../../src/lib";
import { fetchUrl } from "../../../src/lib/sources/url";
import { selfSignedCertificate } from "../../support/certificates";
import { failureOf, readAll, temporarySpool, until, unusedPort } from "./folder";

const spool = temporarySpool();
const secret = "s3cr3t-pa55";
const servers: Server[] = [];
const open = new Set<Socket>();
const requests: http.IncomingMessage[] = [];
let origin: string;
let otherOrigin: string;

type Answer = (response: http.ServerResponse, request: http.IncomingMessage) => void;

const status =
  (code: number, headers: http.OutgoingHttpHeaders = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end("an answer");

const redirect = (location: string, code = 302) => status(code, { location });

const answers: Record<string, Answer> = {
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

async function listen(server: Server): Promise<number> {
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
function rawServer(answer: string): Promise<number> {
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

function get(url: string, context: Partial<PrepareContext> = {}, more: Partial<UrlSpec> = {}) {
  return prepareSource(
    { kind: "url", name: "a.csv", url: url.startsWith("/") ? origin + url : url, ...more },
    { spool, allowPrivateAddresses: true, ...context },
  );
}

async function contentOf(url: string, context: Partial<PrepareContext> = {}): Promise<Buffer> {
  return readAll(await openSource(await get(url, context), { spool }));
}

function leftovers(): string[] {
  return readdirSync(spool.folder).filter((name) => name.endsWith(".tmp"));
}

describe("an address gives", () => {
  test.each([
    ["/plain", "a;b\r\n"],
    ["/empty", ""],
    ["/none", ""],
    ["/chunked", "one two"],
    ["/to-plain", "a;b\r\n"],
    ["/hop/5", "a;b\r\n"],
  ])("what is at %s", async (path, content) => {
    expect(String(await contentOf(path))).toBe(content);
  });

  test("the same bytes to every reader, read once", async () => {
    requests.length = 0;
    const spec = await get("/plain");
    expect(spec).toMatchObject({
      kind: "spool",
      name: "a.csv",
      size: 5,
      contentType: "text/csv; charset=utf-8",
    });
    const source = await openSource(spec, { spool });
    await readAll(source);
    await readAll(source);
    expect(requests.length).toBe(1);
  });

  test("its content type, unless another is given or it says nothing", async () => {
    expect(await get("/plain", {}, { contentType: "text/plain" })).toHaveProperty(
      "contentType",
      "text/plain",
    );
    expect(await get("/octets")).not.toHaveProperty("contentType");
    expect(await get("/empty")).not.toHaveProperty("contentType");
  });

  test("five megabytes", async () => {
    expect((await contentOf("/big")).equals(Buffer.alloc(5_000_000, "b"))).toBe(true);
  });

  test("packed bytes as they are: nothing is unpacked", async () => {
    const content = await contentOf("/bomb", { maxBytes: 100_000 });
    expect(content.equals(gzipSync(Buffer.alloc(10_000_000)))).toBe(true);
  });

  test.each([301, 302, 303, 307, 308])("what a %d leads to", async (code) => {
    expect(String(await contentOf(`/to-plain?${code}`))).toBe("a;b\r\n");
  });
});

describe("the request", () => {
  const headers = { "X-Key": secret, "Accept-Encoding": "gzip" };

  test("asks for unpacked bytes and carries the given headers", async () => {
    requests.length = 0;
    await get("/plain", {}, { headers });
    expect(requests[0]?.headers).toMatchObject({ "x-key": secret, "accept-encoding": "identity" });
  });

  test("carries the address's user and password, also along a redirect within the server", async () => {
    requests.length = 0;
    await get(`${origin.replace("://", `://us%40er:${secret}@`)}/to-plain`);
    const authorization = `Basic ${Buffer.from(`us@er:${secret}`).toString("base64")}`;
    expect(requests.map(({ headers }) => headers.authorization)).toEqual([authorization, authorization]);
  });

  test("takes headers and password to the same server only", async () => {
    requests.length = 0;
    const url = `${origin.replace("://", `://user:${secret}@`)}/to-other`;
    await get(url, {}, { headers });
    expect(requests.length).toBe(2);
    expect(requests[0]?.headers).toMatchObject({ "x-key": secret });
    expect(JSON.stringify(requests[1]?.rawHeaders)).not.toContain(secret);
    expect(requests[1]?.headers).not.toHaveProperty("authorization");
  });

  test.each([
    ["a line break", { "x-a": "b\r\nx-c: d" }],
    ["no name", { "": "b" }],
    ["a blank in its name", { "x a": "b" }],
  ])("is not made with a header that holds %s", async (_, wrong) => {
    requests.length = 0;
    expect((await failureOf(get("/plain", {}, { headers: wrong as Record<string, string> }))).kind).toBe(
      "invalid",
    );
    expect(requests.length).toBe(0);
  });
});

describe("an answer of", () => {
  test.each<[number, string]>([
    [206, "invalid"],
    [304, "invalid"],
    [400, "invalid"],
    [401, "denied"],
    [403, "denied"],
    [404, "missing"],
    [405, "invalid"],
    [407, "denied"],
    [408, "unavailable"],
    [410, "missing"],
    [425, "unavailable"],
    [429, "throttled"],
    [500, "unavailable"],
    [502, "unavailable"],
    [503, "unavailable"],
    [504, "unavailable"],
    [599, "unavailable"],
  ])("%d is %s", async (code, kind) => {
    const error = await failureOf(get(`/status?code=${code}&key=${secret}`));
    expect(error.kind).toBe(kind);
    expect(error.code).toBe(String(code));
    expect(error.message).toContain(`${origin}/status answered ${code}`);
    expect(error.message).not.toContain(secret);
  });

  test.each<[string, number, number]>([
    ["120", 120_000, 120_000],
    ["0", 0, 0],
    [new Date(Date.now() + 60_000).toUTCString(), 50_000, 60_000],
    [new Date(Date.now() - 60_000).toUTCString(), 0, 0],
  ])("429 with Retry-After: %s says how long to wait", async (retry, min, max) => {
    const { retryAfterMs } = await failureOf(get(`/status?code=429&retry=${encodeURIComponent(retry)}`));
    expect(retryAfterMs).toBeGreaterThanOrEqual(min);
    expect(retryAfterMs).toBeLessThanOrEqual(max);
  });

  test("503 with a Retry-After that means nothing is still told", async () => {
    expect((await failureOf(get("/status?code=503&retry=soon"))).retryAfterMs).toBeUndefined();
  });

  test.each<[string, RegExp]>([
    ["/hop/6", /5 redirects/],
    ["/round", /5 redirects/],
    ["/to-ftp", /begins with ftp:/],
    ["/to-file", /begins with file:/],
    ["/to-nowhere", /answered 302/],
    ["/to-nothing", /answered 302/],
  ])("a redirect at %s is not followed", async (path, words) => {
    const error = await failureOf(get(path));
    expect(error.kind).toBe("invalid");
    expect(error.message).toMatch(words);
  });
});

describe("a body that", () => {
  test.each(["/short", "/short-chunked"])(
    "is cut short at %s is unavailable, and nothing of it stays",
    async (path) => {
      const error = await failureOf(get(path));
      expect(error.kind).toBe("unavailable");
      expect(error.message).toContain("closed the connection before all of");
      expect(leftovers()).toEqual([]);
    },
  );

  test("stops coming is unavailable", async () => {
    const error = await failureOf(get("/stalls", { stallTimeoutMs: 50 }));
    expect(error.kind).toBe("unavailable");
    expect(error.message).toContain("gave nothing for 0.1 seconds");
    expect(leftovers()).toEqual([]);
  });

  test.each(["/big", "/endless"])("is too large at %s is rejected", async (path) => {
    const error = await failureOf(get(path, { maxBytes: 1_000_000 }));
    expect(error.kind).toBe("rejected");
    expect(leftovers()).toEqual([]);
    await until(() => open.size === 0);
  });

  test("has no length is taken only on request", async () => {
    const port = await rawServer("HTTP/1.0 200 OK\r\n\r\nold ways");
    const error = await failureOf(get(`http://127.0.0.1:${port}/`));
    expect(error.kind).toBe("invalid");
    expect(error.message).toContain("does not say how long");
    expect(String(await contentOf(`http://127.0.0.1:${port}/`, { allowUnknownLength: true }))).toBe(
      "old ways",
    );
  });

  test("was announced must be what comes", async () => {
    expect((await failureOf(get("/plain", {}, { size: 6 }))).kind).toBe("changed");
  });
});

describe("a server that", () => {
  test("does not answer is unavailable", async () => {
    const error = await failureOf(get("/silent", { stallTimeoutMs: 50 }));
    expect(error.kind).toBe("unavailable");
    expect(error.message).toContain("did not answer within 0.1 seconds");
  });

  test("cannot be connected to in time is unavailable", async () => {
    // Accepts, but says nothing of TLS.
    const port = await listen(createServer((socket) => socket.resume()));
    const spec = { kind: "url", name: "a", url: `https://127.0.0.1:${port}/` } as const;
    const error = await failureOf(fetchUrl(spec, { allowPrivateAddresses: true, connectTimeoutMs: 50 }));
    expect(error.kind).toBe("unavailable");
    expect(error.message).toContain("could not be connected to within 0.1 seconds");
  });

  test.each<[string, () => Promise<string>, string, RegExp]>([
    ["is not there", async () => `http://127.0.0.1:${await unusedPort()}/`, "unavailable", /ECONNREFUSED/],
    ["has an unknown name", async () => "http://nothing.invalid/", "unavailable", /ENOTFOUND|EAI_AGAIN/],
    [
      "does not speak HTTP",
      async () => `http://127.0.0.1:${await rawServer("220 FTP\r\n")}/`,
      "unavailable",
      /not HTTP/,
    ],
    [
      "hangs up",
      async () => `http://127.0.0.1:${await rawServer("")}/`,
      "unavailable",
      /closed the connection/,
    ],
    ["does not speak TLS", async () => origin.replace("http:", "https:"), "invalid", /TLS/],
    ["has a certificate that nobody knows", selfSigned, "invalid", /NODE_EXTRA_CA_CERTS/],
  ])("%s is told in words", async (_, make, kind, words) => {
    const url = (await make()).replace("://", `://user:${secret}@`);
    const error = await failureOf(get(`${url}?key=${secret}`));
    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(words);
    expect(JSON.stringify([error, error.message, String((error.cause as Error)?.stack)])).not.toContain(
      secret,
    );
  });

  test("is slow can be waited for no longer", async () => {
    for (const path of ["/silent", "/stalls", "/endless"]) {
      const aborting = new AbortController();
      const failed = failureOf(get(path, { signal: aborting.signal }));
      await until(() => open.size > 0);
      setTimeout(() => aborting.abort(), 30);
      expect((await failed).kind).toBe("cancelled");
      await until(() => open.size === 0);
    }
    expect(leftovers()).toEqual([]);
  });
});

describe("without leave for private addresses", () => {
  const refused = { allowPrivateAddresses: false };

  test.each([
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "127.1",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost",
    "169.254.169.254",
    "10.1.2.3",
    "user:pass@127.0.0.1",
  ])("%s is refused before anything is sent", async (host) => {
    requests.length = 0;
    const { port } = new URL(origin);
    const error = await failureOf(get(`http://${host}:${port}/plain`, refused));
    expect(error.kind).toBe("invalid");
    expect(error.code).toBe("EPRIVATE");
    expect(error.message).toContain("private addresses");
    expect(requests.length).toBe(0);
  });

  test("localhost is reached once it is allowed", async () => {
    const { port } = new URL(origin);
    expect(String(await contentOf(`http://localhost:${port}/plain`))).toBe("a;b\r\n");
  });
});

test.each([
  "",
  "nonsense",
  "/relative",
  "ftp://example.com/x",
  "file:///etc/passwd",
  "http://",
  "javascript:1",
])("the address %j is invalid", async (url) => {
  const error = await failureOf(prepareSource({ kind: "url", name: "a", url }, { spool }));
  expect(error.kind).toBe("invalid");
});

test("a password in an address that cannot be read stays out of the message", async () => {
  const error = await failureOf(get(`http://user:${secret}@host:port/`));
  expect(error.kind).toBe("invalid");
  expect(JSON.stringify([error, error.message, error.stack, error.cause])).not.toContain(secret);
});

test("a password that is not well encoded is invalid", async () => {
  const error = await failureOf(get(`${origin.replace("://", "://user:%zz@")}/plain`));
  expect(error.kind).toBe("invalid");
});

test("opening an address reads it through the spool", async () => {
  const spec = await get("/plain");
  const announced = { size: 5, sha256: (spec as { sha256: string }).sha256 };
  requests.length = 0;
  const source = await openSource(
    { kind: "url", name: "a", url: `${origin}/plain`, ...announced },
    { spool },
  );
  expect(String(await readAll(source))).toBe("a;b\r\n");
  expect(requests.length).toBe(0);
});

async function selfSigned(): Promise<string> {
  const pair = await selfSignedCertificate();
  return `https://127.0.0.1:${await listen(https.createServer(pair, (_, response) => response.end("x")))}/`;
}
