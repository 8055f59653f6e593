import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type Message, useRuntime } from "./support/runtime";
import { dataSource, ends, watchers } from "./support/servers";

const runtime = useRuntime();

describe("when a source cannot be had", () => {
  test.each<[string, Record<string, unknown>, Message, RegExp]>([
    [
      "the function throws",
      { kind: "function", func: "throw new Error('no luck')" },
      {},
      /function of content failed: no luck/,
    ],
    [
      "it throws later",
      { kind: "function", func: "return (async function* () { yield 'a'; throw new Error('half-way') })()" },
      {},
      /half-way/,
    ],
    ["it throws no error", { kind: "function", func: "throw 'words'" }, {}, /words/],
    [
      "it returns nothing",
      { kind: "function", func: "const a = 1" },
      {},
      /returned nothing \(undefined\)\. Return text/,
    ],
    [
      "it returns an object",
      { kind: "function", func: "return { a: 1 }" },
      {},
      /an object that is no content/,
    ],
    [
      "it never ends",
      {
        kind: "function",
        func: "return (function* () { for (;;) yield Buffer.alloc(65536) })()",
        maxMegabytes: 1,
      },
      {},
      /more than|larger|limit/i,
    ],
    [
      "a text is too large",
      { kind: "text", text: "{{msg.payload}}", maxMegabytes: "0.00001" },
      { payload: "123456789012" },
      /limit|more than/i,
    ],
    [
      "the file is not there",
      { kind: "file", path: "/nowhere/at-all.csv" },
      {},
      /\/nowhere\/at-all\.csv does not exist/,
    ],
    ["the file is a folder", { kind: "file", path: "/tmp" }, {}, /is a folder/],
    [
      "the path comes out empty",
      { kind: "file", path: "{{msg.path}}" },
      { path: "" },
      /path of the source file is empty/,
    ],
    ["the address is private", { kind: "url", url: "http://127.0.0.1:1/x" }, {}, /127\.0\.0\.1/],
    [
      "nobody answers",
      { kind: "url", url: "http://127.0.0.1:1/x", allowPrivateAddresses: true },
      {},
      /nothing answers/,
    ],
    ["the address is none", { kind: "url", url: "{{msg.topic}}" }, { topic: "not an address" }, /address/],
    ["there is no payload", { kind: "payload" }, { payload: null }, /nothing to deliver/],
    ["the property is not there", { kind: "payload", property: "a.b.c" }, {}, /the message has no a\.b\.c/],
    ["the property is no name", { kind: "payload", property: "a[" }, {}, /the message has no a\[/],
    ["the payload is circular", { kind: "payload" }, { payload: circular() }, /cannot be written as JSON/],
    [
      "a template names what is not there",
      { kind: "text", text: "{{msg.nothing}}" },
      {},
      /\{\{msg\.nothing\}\} has no value/,
    ],
    ["the name leads elsewhere", { kind: "text", text: "x", fileName: ".." }, {}, /must be a file name/],
    [
      "the name breaks lines",
      { kind: "text", text: "x", fileName: "{{msg.topic}}" },
      { topic: "a\r\nDELE b" },
      /must be a file name/,
    ],
    [
      "the content type is none",
      { kind: "text", text: "x", contentType: "{{msg.topic}}" },
      { topic: "csv" },
      /media type/,
    ],
    [
      "the metadata is no object",
      { kind: "text", text: "x" },
      { metadata: "title" },
      /msg\.metadata must be an object/,
    ],
    [
      "the metadata is nested",
      { kind: "text", text: "x" },
      { metadata: { a: {} } },
      /msg\.metadata\.a must be text/,
    ],
  ])(
    "because %s, a Catch node and the status say so, and the next message works",
    async (_, settings, msg, sentence) => {
      const nodes = [
        dataSource(settings),
        dataSource({ id: "good", kind: "text", text: "x" }),
        ...ends("out"),
        ...watchers("source"),
      ];
      await runtime.load(nodes);
      const id = runtime.send("source", { payload: "p", ...msg });
      const caught = await runtime.next("caught");
      expect(caught._msgid).toBe(id);
      expect(caught.source).toBeUndefined();
      expect(caught.error).toMatchObject({
        message: expect.stringMatching(sentence),
        source: { id: "source" },
      });
      expect(caught.error).not.toHaveProperty("cause");
      expect(await runtime.status("source", { fill: "red" })).toMatchObject({ shape: "ring" });
      runtime.send("good", {});
      expect((await runtime.next("out")).source.text).toBe("x");
      expect(runtime.received("completed")).toEqual([]);
    },
  );

  test("one bad message does not keep the next from working", async () => {
    const source = dataSource({ kind: "file", path: `${runtime.folder}/{{msg.topic}}` });
    await runtime.load([source, ...ends("out"), ...watchers("source")]);
    runtime.send("source", { topic: "not-there" });
    await runtime.next("caught");
    await writeFile(path.join(runtime.folder, "there"), "now");
    runtime.send("source", { topic: "there" });
    expect((await runtime.next("out")).source.size).toBe(3);
    await runtime.status("source", { fill: "green", text: "there" });
  });
});

function circular(): object {
  const value: Record<string, unknown> = {};
  value.self = value;
  return value;
}
