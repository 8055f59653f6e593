// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are functions that a person writes
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { inspect, types } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256Of } from "../support/sources";
import { useDataSource } from "./support/flows";
import { type Message, useRuntime } from "./support/runtime";

const runtime = useRuntime();
const { sourceOf } = useDataSource(runtime);
let web: Server;
let address: string;

beforeAll(async () => {
  web = createServer(({ headers }, response) => {
    response.setHeader("content-type", "text/csv");
    response.end(`a;b\n${headers["x-key"] ?? ""}`);
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
});

afterAll(() => {
  web.close();
});

/** Everything that could not be a message's: it must survive cloning and a database. */
function expectPlain(value: unknown): void {
  if (typeof value !== "object" || value === null || types.isUint8Array(value)) {
    expect(typeof value, inspect(value)).not.toBe("function");
    return;
  }
  expect([Object.prototype, Array.prototype]).toContain(Object.getPrototypeOf(value));
  for (const part of Object.values(value)) expectPlain(part);
}

describe("a source of the kind", () => {
  const text = (content: string) => ({
    size: Buffer.byteLength(content),
    sha256: sha256Of(Buffer.from(content)),
  });

  test.each<[string, Record<string, unknown>, Message, object]>([
    [
      "text",
      { kind: "text", text: "Dear {{msg.topic}}" },
      { topic: "Ann & Bob" },
      { kind: "text", name: "content.txt", text: "Dear Ann & Bob", ...text("Dear Ann & Bob") },
    ],
    [
      "plain text",
      { kind: "text", text: "{{as it is}}", plainText: true },
      {},
      { kind: "text", text: "{{as it is}}", name: "content.txt", ...text("{{as it is}}") },
    ],
    ["no text", { kind: "text", text: "" }, {}, { kind: "text", text: "", size: 0 }],
    [
      "payload, text",
      { kind: "payload" },
      { payload: "naïve" },
      { kind: "text", text: "naïve", name: "payload.txt", ...text("naïve") },
    ],
    [
      "payload, a Buffer",
      { kind: "payload" },
      { payload: Buffer.from("abc") },
      { kind: "bytes", bytes: Buffer.from("abc"), name: "payload.bin", ...text("abc") },
    ],
    [
      "payload, what looks like a source",
      { kind: "payload" },
      { payload: { kind: "file", path: "/etc/passwd" } },
      { kind: "text", text: '{"kind":"file","path":"/etc/passwd"}', contentType: "application/json" },
    ],
    [
      "payload, another property",
      { kind: "payload", property: "report.rows[1]" },
      { report: { rows: [1, [2]] } },
      { kind: "text", text: "[2]", name: "payload.json" },
    ],
    [
      "function",
      { kind: "function", func: "return `${msg.topic} ${metadata.n}`", fileName: "f.txt" },
      { topic: "t", metadata: { n: 1 } },
      { kind: "spool", name: "f.txt", ...text("t 1") },
    ],
  ])("%s", async (_, settings, msg, expected) => {
    const { source } = await sourceOf(settings, msg);
    expect(source).toMatchObject(expected);
    expectPlain(source);
    await runtime.status("source", { fill: "green", text: source.name });
  });

  test("file, pinned", async () => {
    const file = path.join(runtime.folder, "night.csv");
    await writeFile(file, "a;b");
    const { source } = await sourceOf(
      { kind: "file", path: `${runtime.folder}/{{msg.topic}}.csv` },
      { topic: "night" },
    );
    expect(source).toEqual({
      kind: "file",
      name: "night.csv",
      path: file,
      size: 3,
      mtimeMs: expect.any(Number),
      inode: expect.any(Number),
      seal: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  test("file, as a copy that outlives the file", async () => {
    const file = path.join(runtime.folder, "copied.csv");
    await writeFile(file, "first");
    const { source } = await sourceOf({ kind: "file", path: file, snapshot: true });
    expect(source).toEqual({ kind: "spool", name: "copied.csv", ...text("first") });
  });

  test("url, with headers", async () => {
    const settings = {
      kind: "url",
      url: `${address}/{{msg.topic}}.csv?x=1`,
      allowPrivateAddresses: true,
      headers: [{ name: "x-key", value: "{{metadata.key}}" }],
    };
    const { source } = await sourceOf(settings, { topic: "daily", metadata: { key: "k1" } });
    expect(source).toEqual({ kind: "spool", name: "daily.csv", contentType: "text/csv", ...text("a;b\nk1") });
    expect(runtime.statuses("source")).toContainEqual({ fill: "blue", shape: "dot", text: "reading" });
  });
});

describe("names and facts come from templates", () => {
  test("in the chosen time zone", async () => {
    const settings = {
      kind: "text",
      text: "{{isoDate}} {{HH}}",
      fileName: "{{msg.topic}}-{{isoDate}}-{{HH}}.csv",
      contentType: "text/{{metadata.type}}",
      metadata: [
        { name: "title", value: "Report of {{source.name}}" },
        { name: "empty", value: "" },
        { name: "by", value: "{{env.WHO}}" },
      ],
      timeZone: "Pacific/Kiritimati",
    };
    process.env.WHO = "the night shift";
    const { source, metadata } = await sourceOf(settings, {
      topic: "x",
      metadata: { type: "csv", title: "old" },
    });
    // Fourteen hours ahead of UTC, all the year.
    const there = new Date(Date.now() + 14 * 3_600_000).toISOString();
    const [date, hour] = [there.slice(0, 10), there.slice(11, 13)];
    expect(source).toMatchObject({
      text: `${date} ${hour}`,
      name: `x-${date}-${hour}.csv`,
      contentType: "text/csv",
    });
    expect(metadata).toEqual({ type: "csv", title: `Report of ${source.name}`, by: "the night shift" });
  });

  test("the message flows on with all that it had", async () => {
    const message = await sourceOf(
      { kind: "text", text: "x" },
      { payload: { a: 1 }, topic: "t", _msgid: "m1" },
    );
    expect(message).toMatchObject({ _msgid: "m1", payload: { a: 1 }, topic: "t", metadata: {} });
    await runtime.next("completed");
  });
});
