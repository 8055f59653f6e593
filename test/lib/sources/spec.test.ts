import { describe, expect, test } from "vitest";
import { DeliveryError, payloadSource, readSourceSpec } from "../../../src/lib";

const sha256 = "a".repeat(64);

describe("a source from outside", () => {
  test.each([
    { kind: "text", name: "a.txt", text: "" },
    {
      kind: "text",
      name: "a.txt",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it looks like a setting
      text: "${HOME} is text, not a setting",
      contentType: "text/plain; charset=utf-8",
    },
    { kind: "bytes", name: "ünï 名.bin", bytes: Buffer.from("x"), size: 1 },
    { kind: "file", name: "a.txt", path: "/data/a.txt", size: 0, mtimeMs: 1.5, inode: 7 },
    { kind: "url", name: "a.txt", url: "https://example.com/a", headers: { "x-a": "b" } },
    { kind: "spool", name: "a.txt", size: 3, sha256 },
  ])("is taken when it is whole: $kind", (spec) => {
    expect(readSourceSpec(spec)).toEqual(spec);
    expect(readSourceSpec({ ...spec, unknown: 1 })).toEqual(spec);
  });

  test("is taken back from JSON", () => {
    const spec = { kind: "bytes" as const, name: "a", bytes: Buffer.from([0, 255, 10]) };
    expect(readSourceSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  });

  test.each<[unknown, RegExp]>([
    [undefined, /must be an object/],
    [null, /must be an object/],
    ["text", /must be an object/],
    [[], /must be an object/],
    [{}, /name must be.*kind must be/],
    [{ kind: "function", name: "a" }, /kind must be/],
    [{ kind: "stream", name: "a" }, /kind must be/],
    [{ kind: "__proto__", name: "a" }, /kind must be/],
    [{ kind: "text", name: "a" }, /text must be text/],
    [{ kind: "text", name: "a", text: 1 }, /text must be text/],
    [{ kind: "text", name: "", text: "x" }, /name must be/],
    [{ kind: "text", name: "a/b", text: "x" }, /name must be/],
    [{ kind: "text", name: "a\nb", text: "x" }, /name must be/],
    [{ kind: "text", name: "..", text: "x" }, /name must be/],
    [{ kind: "text", name: "a", text: "x", size: -1 }, /size must be/],
    [{ kind: "text", name: "a", text: "x", size: 1.5 }, /size must be/],
    [{ kind: "text", name: "a", text: "x", size: "1" }, /size must be/],
    [{ kind: "text", name: "a", text: "x", sha256: sha256.toUpperCase() }, /sha256 must be/],
    [{ kind: "text", name: "a", text: "x", contentType: "text" }, /contentType must be/],
    [{ kind: "text", name: "a", text: "x", contentType: "a/b\r\nx: y" }, /contentType must be/],
    [{ kind: "bytes", name: "a", bytes: "x" }, /bytes must be/],
    [{ kind: "bytes", name: "a", bytes: { type: "Buffer", data: [256] } }, /bytes must be/],
    [{ kind: "bytes", name: "a" }, /bytes must be/],
    [{ kind: "file", name: "a" }, /path must be/],
    [{ kind: "file", name: "a", path: "" }, /path must be/],
    [{ kind: "file", name: "a", path: "/a", mtimeMs: "1" }, /mtimeMs must be/],
    [{ kind: "file", name: "a", path: "/a", inode: Number.NaN }, /inode must be/],
    [{ kind: "url", name: "a", url: 1 }, /url must be/],
    [{ kind: "url", name: "a", url: "http://a", headers: { a: 1 } }, /headers must be/],
    [{ kind: "spool", name: "a" }, /size must be.*sha256 must be/],
    [{ kind: "spool", name: "a", size: 1, sha256: "../../etc/passwd" }, /used: its sha256 must be [^;]*$/],
  ])("is refused, every problem told: %j", (value, words) => {
    const read = () => readSourceSpec(value);
    expect(read).toThrow(DeliveryError);
    expect(read).toThrow(words);
    try {
      read();
    } catch (error) {
      expect((error as DeliveryError).kind).toBe("invalid");
    }
  });
});

describe("a payload", () => {
  test.each<[unknown, object]>([
    ["text", { kind: "text", text: "text" }],
    ["", { kind: "text", text: "" }],
    [Buffer.from("x"), { kind: "bytes", bytes: Buffer.from("x") }],
    [new Uint8Array([1]), { kind: "bytes", bytes: new Uint8Array([1]) }],
    [{ a: [1, null] }, { kind: "text", text: '{"a":[1,null]}', contentType: "application/json" }],
    [[1, 2], { kind: "text", text: "[1,2]", contentType: "application/json" }],
    [0, { kind: "text", text: "0", contentType: "application/json" }],
    [false, { kind: "text", text: "false", contentType: "application/json" }],
    [new Date(0), { kind: "text", text: '"1970-01-01T00:00:00.000Z"', contentType: "application/json" }],
  ])("is content as it is, or JSON: %j", (payload, expected) => {
    expect(payloadSource(payload, { name: "a" })).toEqual({ name: "a", ...expected });
  });

  test("is never taken for the description of a source", () => {
    const payload = { kind: "file", name: "passwd", path: "/etc/passwd" };
    expect(payloadSource(payload, { name: "a.json" })).toMatchObject({
      kind: "text",
      text: JSON.stringify(payload),
    });
  });

  test("has the type that is asked for", () => {
    expect(payloadSource({}, { name: "a", contentType: "application/geo+json" })).toHaveProperty(
      "contentType",
      "application/geo+json",
    );
    expect(() => payloadSource("", { name: "a", contentType: "x\r\ny" })).toThrow(DeliveryError);
    expect(() => payloadSource("", { name: "" })).toThrow(DeliveryError);
  });

  const circle: { self?: unknown } = {};
  circle.self = circle;
  test.each<[string, unknown, RegExp]>([
    ["undefined", undefined, /nothing to deliver.*undefined/],
    ["null", null, /nothing to deliver.*null/],
    ["a function", () => "x", /type function/],
    ["a symbol", Symbol("x"), /type symbol/],
    ["a bigint", 1n, /cannot be written as JSON/],
    ["a circle", circle, /cannot be written as JSON/],
    ["NaN", Number.NaN, /NaN/],
    ["Infinity", Number.POSITIVE_INFINITY, /Infinity/],
    [
      "an object that makes nothing of itself",
      { toJSON: () => undefined },
      /type object cannot be delivered/,
    ],
  ])("that is %s is refused", (_, payload, words) => {
    const make = () => payloadSource(payload, { name: "a" });
    expect(make).toThrow(DeliveryError);
    expect(make).toThrow(words);
  });
});
