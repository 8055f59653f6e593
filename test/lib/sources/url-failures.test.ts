import https from "node:https";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { fetchUrl } from "../../../src/lib/sources/url";
import { selfSignedCertificate } from "../../support/certificates";
import { freePort } from "../../support/free-port";
import { failureOf, until } from "./folder";
import { contentOf, get, leftovers, listen, open, origin, rawServer, secret } from "./web-servers";

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
    ["is not there", async () => `http://127.0.0.1:${await freePort()}/`, "unavailable", /ECONNREFUSED/],
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

async function selfSigned(): Promise<string> {
  const pair = await selfSignedCertificate();
  return `https://127.0.0.1:${await listen(https.createServer(pair, (_, response) => response.end("x")))}/`;
}
