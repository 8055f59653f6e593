import { randomBytes } from "node:crypto";
import http from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import type { PrepareContext, UrlSpec } from "../../../src/lib";
import { failureOf, until } from "./folder";
import { contentOf, get, leftovers, listen, open, secret } from "./web-servers";

const content = randomBytes(300_000);
const other = randomBytes(300_000);

interface Answer {
  /** The connection is cut after so many bytes of the body. */
  cutAfter?: number;
  status?: number;
  body?: Buffer;
  etag?: string;
  headers?: http.OutgoingHttpHeaders;
  /** Says nothing of its length. */
  chunked?: boolean;
  /** Gives all of it, whatever part is asked for. */
  whole?: boolean;
}

const seen: http.IncomingMessage[] = [];
afterEach(() => {
  seen.length = 0;
});

/** A server that gives these answers one after the other, the last one again and again. */
async function serve(...answers: Answer[]): Promise<string> {
  const server = http.createServer((request, response) => {
    const answer = answers[Math.min(seen.length, answers.length - 1)] ?? {};
    seen.push(request);
    respond(answer, request, response);
  });
  return `http://127.0.0.1:${await listen(server)}/file.bin`;
}

function respond(answer: Answer, request: http.IncomingMessage, response: http.ServerResponse): void {
  const { body = content, etag = '"one"', cutAfter = body.length, chunked, whole, headers } = answer;
  const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
  const isSame = request.headers["if-range"] === etag;
  const start = asked !== undefined && isSame && !whole ? Number(asked) : 0;
  const rest = body.subarray(start);
  const status = answer.status ?? (start > 0 ? 206 : 200);
  response.writeHead(status, {
    ...(etag && { etag }),
    ...(!chunked && { "content-length": rest.length }),
    ...(status === 206 && { "content-range": `bytes ${start}-${body.length - 1}/${body.length}` }),
    ...headers,
  });
  response.write(rest.subarray(0, cutAfter), () => {
    if (cutAfter >= rest.length) response.end();
    // What was written is to arrive first.
    else setTimeout(() => response.destroy(), 20);
  });
}

const ranges = () => seen.map(({ headers }) => headers.range);
const failure = async (url: string, context: Partial<PrepareContext> = {}, more: Partial<UrlSpec> = {}) => {
  const error = await failureOf(get(url, context, more));
  expect(leftovers()).toEqual([]);
  return error;
};

describe("a body that breaks in the middle", () => {
  test("goes on where it was, as often as it takes", async () => {
    const url = await serve(...Array.from({ length: 6 }, () => ({ cutAfter: 45_000 })), {});
    expect((await contentOf(url)).equals(content)).toBe(true);
    expect(ranges()).toEqual([undefined, ...[1, 2, 3, 4, 5, 6].map((n) => `bytes=${45_000 * n}-`)]);
    for (const { headers } of seen.slice(1)) {
      expect(headers).toMatchObject({ "if-range": '"one"', "accept-encoding": "identity" });
    }
  });

  test("goes on also when nobody said how long it is", async () => {
    const url = await serve({ cutAfter: 100_000, chunked: true }, { chunked: true });
    expect((await contentOf(url)).equals(content)).toBe(true);
  });

  test("goes on when the server comes back only after a moment", async () => {
    const url = await serve({ cutAfter: 100_000 }, { status: 503 }, { cutAfter: 0 }, {});
    expect((await contentOf(url)).equals(content)).toBe(true);
    expect(seen).toHaveLength(4);
  });

  test("carries headers, user and password to the same server, as the first request did", async () => {
    const url = (await serve({ cutAfter: 100_000 }, {})).replace("://", `://user:${secret}@`);
    await get(url, {}, { headers: { "x-key": secret } });
    expect(seen).toHaveLength(2);
    for (const { headers } of seen) {
      expect(headers).toMatchObject({ "x-key": secret, authorization: expect.stringMatching(/^Basic /) });
    }
  });

  test("asks the server that a redirect led to, without what was meant for the first", async () => {
    const url = await serve({ cutAfter: 100_000 }, {});
    const first = http.createServer((_, response) => response.writeHead(302, { location: url }).end());
    const origin = `http://user:${secret}@127.0.0.1:${await listen(first)}/`;
    expect((await contentOf(origin)).equals(content)).toBe(true);
    expect(ranges()).toEqual([undefined, "bytes=100000-"]);
    expect(JSON.stringify(seen.map(({ rawHeaders }) => rawHeaders))).not.toContain("asic");
  });

  test.each<[string, Answer[]]>([
    ["has no ETag", [{ cutAfter: 100_000, etag: "" }]],
    ["has an ETag that vouches only for the meaning", [{ cutAfter: 100_000, etag: 'W/"one"' }]],
    [
      "comes from a server that gives no parts",
      [{ cutAfter: 100_000, headers: { "accept-ranges": "none" } }],
    ],
    ["had not even begun", [{ cutAfter: 0 }]],
  ])("is unavailable at once when it %s", async (_, answers) => {
    const error = await failure(await serve(...answers));
    expect(error).toMatchObject({ kind: "unavailable", code: "ECONNRESET" });
    expect(seen).toHaveLength(1);
  });

  test.each<[string, Answer]>([
    ["is given whole again", { whole: true }],
    ["is not there any more", { status: 404 }],
    ["is elsewhere now", { status: 302, headers: { location: "/elsewhere" } }],
    ["is given from another byte on", { headers: { "content-range": "bytes 5-299999/300000" } }],
    ["is given with an end before its end", { headers: { "content-range": "bytes 100000-5/300000" } }],
    ["brings nothing", { cutAfter: 0 }],
  ])("is unavailable when the rest %s, after three requests", async (_, answer) => {
    const error = await failure(await serve({ cutAfter: 100_000 }, answer));
    expect(error.kind).toBe("unavailable");
    expect(error.message).toContain("closed the connection before all of");
    expect(seen).toHaveLength(4);
  });

  test.each<[string, Answer]>([
    ["another ETag", { body: other, etag: '"two"' }],
    ["another ETag though it was asked for this one", { headers: { etag: '"two"' } }],
    ["another size", { headers: { "content-range": "bytes 100000-299998/299999" } }],
    ["another coding", { headers: { "content-encoding": "gzip" } }],
    ["less than was there", { status: 416 }],
  ])("has changed when the rest has %s", async (_, answer) => {
    const error = await failure(await serve({ cutAfter: 100_000 }, answer));
    expect(error.kind).toBe("changed");
    expect(error.message).toContain("changed while it was being read");
    expect(seen).toHaveLength(2);
  });

  test("is not taken for whole when a rest ends early without a sign", async () => {
    const short = { headers: { "content-length": 50_000 }, cutAfter: 50_000 };
    expect((await contentOf(await serve({ cutAfter: 100_000 }, short, {}))).equals(content)).toBe(true);
    expect(ranges()).toEqual([undefined, "bytes=100000-", "bytes=150000-"]);
  });

  test("counts with what came before against the limit", async () => {
    const url = await serve({ cutAfter: 100_000, chunked: true }, { chunked: true });
    expect((await failure(url, { maxBytes: 200_000 })).kind).toBe("rejected");
    await until(() => open.size === 0);
  });

  test("is not gone on with after an abort", async () => {
    const controller = new AbortController();
    const url = await serve({ cutAfter: 100_000 }, { status: 503 });
    const failed = failure(url, { signal: controller.signal });
    await until(() => seen.length === 3);
    controller.abort();
    expect((await failed).kind).toBe("cancelled");
    await until(() => open.size === 0);
    expect(seen).toHaveLength(3);
  });
});
