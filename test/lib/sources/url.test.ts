import http from "node:http";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openSource, prepareSource } from "../../../src/lib";
import { failureOf, readAll } from "./folder";
import { contentOf, get, listen, origin, requests, secret, spool } from "./web-servers";

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

  test.each(["127.0.0.2", "localhost", "[::1]", "2130706433", "169.254.169.254"])(
    "a host that is allowed leads no further than itself: a redirect to %s is refused",
    async (host) => {
      const allowPrivateAddresses = ["127.0.0.1"];
      const redirected = await listen(
        http.createServer((_, response) => response.writeHead(302, { location: `http://${host}/` }).end()),
      );
      expect(String(await contentOf("/plain", { allowPrivateAddresses }))).toBe("a;b\r\n");
      const get302 = get(`http://127.0.0.1:${redirected}/`, { allowPrivateAddresses });
      // Another way to write the allowed one is the same host.
      const code = host === "2130706433" ? "ECONNREFUSED" : "EPRIVATE";
      expect(await failureOf(get302)).toMatchObject({ code });
    },
  );

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
