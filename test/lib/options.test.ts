// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how Node-RED writes environment variables
import { describe, expect, test } from "vitest";
import { DeliveryError, inUnit, type OptionReader, readOptions } from "../../src/lib";

const read = <T>(input: unknown, reader: (options: OptionReader) => T): T =>
  readOptions("S3 writer", input, reader);

function problems(input: unknown, reader: (options: OptionReader) => unknown): string {
  try {
    read(input, reader);
  } catch (error) {
    expect(error).toBeInstanceOf(DeliveryError);
    expect((error as DeliveryError).kind).toBe("invalid");
    return (error as DeliveryError).message;
  }
  throw new Error("It was accepted.");
}

const port = { min: 1, max: 65535, default: 21, integer: true };
const colours = ["red", "green"] as const;

describe("an option is read", () => {
  test.each<[string, unknown, (options: OptionReader) => unknown, unknown]>([
    ["text", "bucket", (o) => o.string("x"), "bucket"],
    ["text with blanks", "  a ", (o) => o.string("x"), "  a "],
    ["no optional text", "", (o) => o.optionalString("x"), undefined],
    ["text that only mentions a variable", "a ${B}", (o) => o.string("x"), "a ${B}"],
    ["a number", 22, (o) => o.number("x", port), 22],
    ["a number as text", "22", (o) => o.number("x", port), 22],
    ["no number", "", (o) => o.number("x", port), 21],
    ["null as no number", null, (o) => o.number("x", port), 21],
    ["the smallest number", 1, (o) => o.number("x", port), 1],
    ["the largest number", "65535", (o) => o.number("x", port), 65535],
    ["zero", 0, (o) => o.number("x", { min: 0, max: 1, default: 1 }), 0],
    ["a fraction", "0.5", (o) => o.number("x", { min: 0, max: 1, default: 1 }), 0.5],
    ["true", true, (o) => o.boolean("x", false), true],
    ["true as text", "true", (o) => o.boolean("x", false), true],
    ["false as text", "false", (o) => o.boolean("x", true), false],
    ["no boolean", undefined, (o) => o.boolean("x", true), true],
    ["a choice", "green", (o) => o.choice("x", colours, "red"), "green"],
    ["no choice", "", (o) => o.choice("x", colours, "red"), "red"],
    ["names and texts", { a: "b" }, (o) => o.strings("x"), { a: "b" }],
    ["no names", undefined, (o) => o.strings("x"), {}],
    [
      "a list, in the order of the choices",
      ["green", "red"],
      (o) => o.list("x", colours, []),
      ["red", "green"],
    ],
    ["an empty list", [], (o) => o.list("x", colours, ["red"]), []],
    ["no list", undefined, (o) => o.list("x", colours, ["red"]), ["red"]],
  ])("%s", (_, value, reader, expected) => {
    expect(read({ x: value }, reader)).toEqual(expected);
  });
});

describe("an option is refused", () => {
  const https = { pattern: /^https:/, must: "an https address" };
  test.each<[string, unknown, (options: OptionReader) => unknown, string]>([
    ["missing text", undefined, (o) => o.string("x"), "x is missing"],
    ["empty text", "", (o) => o.string("x"), "x is missing"],
    ["text that is a number", 5, (o) => o.string("x"), "x must be text"],
    ["text that is an object", {}, (o) => o.optionalString("x"), "x must be text"],
    ["text of the wrong form", "ftp:", (o) => o.string("x", https), "x must be an https address"],
    [
      "a variable that is not set",
      "${NOPE}",
      (o) => o.string("x"),
      "x: the environment variable NOPE is not set",
    ],
    [
      "a number's variable that is not set",
      "${NOPE}",
      (o) => o.number("x", port),
      "the environment variable NOPE",
    ],
    ["a word for a number", "many", (o) => o.number("x", port), "x must be a whole number from 1 to 65535"],
    ["blanks for a number", " ", (o) => o.number("x", port), "x must be a whole number"],
    ["NaN", Number.NaN, (o) => o.number("x", port), "x must be a whole number"],
    ["too small a number", 0, (o) => o.number("x", port), "x must be a whole number"],
    ["too large a number", 65536, (o) => o.number("x", port), "x must be a whole number"],
    ["a fraction for a whole number", 1.5, (o) => o.number("x", port), "x must be a whole number"],
    ["true for a number", true, (o) => o.number("x", port), "x must be a whole number"],
    ["a list for a number", [22], (o) => o.number("x", port), "x must be a whole number"],
    ["yes for a boolean", "yes", (o) => o.boolean("x", true), "x must be true or false"],
    ["1 for a boolean", 1, (o) => o.boolean("x", true), "x must be true or false"],
    ["an unknown choice", "blue", (o) => o.choice("x", colours, "red"), "x must be one of red, green"],
    ["a number among texts", { a: 1, b: "c" }, (o) => o.strings("x"), "x.a must be text"],
    [
      "a list of texts for names and texts",
      ["a"],
      (o) => o.strings("x"),
      "x must be a set of names and texts",
    ],
    ["text for a list", "red", (o) => o.list("x", colours, []), "x must be a list"],
    [
      "a list with something unknown",
      ["red", "blue", {}],
      (o) => o.list("x", colours, []),
      "not blue, an object",
    ],
    [
      "a list with something that has no text",
      [Object.create(null)],
      (o) => o.list("x", colours, []),
      "x can hold only red, green",
    ],
    [
      "what only several values together make",
      1,
      (o) => o.problem("choose keys or a role"),
      "choose keys or a role",
    ],
  ])("%s", (_, value, reader, words) => {
    const message = problems({ x: value }, reader);
    expect(message).toContain(words);
    expect(message).toMatch(/^S3 writer: .*\.$/);
  });

  test("together with all others", () => {
    const message = problems({ b: "x", c: 99_999 }, (o) => [
      o.string("a"),
      o.boolean("b", true),
      o.number("c", port),
    ]);
    expect(message).toBe(
      "S3 writer: a is missing; b must be true or false; c must be a whole number from 1 to 65535.",
    );
  });

  test("once, and not also as missing", () => {
    expect(problems({ x: 5 }, (o) => o.string("x"))).toBe("S3 writer: x must be text.");
  });

  test.each([undefined, null, "text", 5, []])("when the settings are %j", (input) => {
    expect(problems(input, () => undefined)).toBe("S3 writer: the settings must be an object.");
  });

  test("without showing what a secret was", () => {
    const message = problems({ x: "s3cr3t value" }, (o) => o.number("x", port));
    expect(message).not.toContain("s3cr3t");
  });
});

describe("a number in a dialog's unit", () => {
  const partSize = { min: 5_000_000, max: 512_000_000, default: 8_000_000, integer: true };
  const megabytes = (value: unknown) => ({ partSizeBytes: inUnit("partMegabytes", value, 1_000_000) });

  test.each([
    [8, 8_000_000],
    ["6", 6_000_000],
    [8.1234567, 8_123_457],
    ["", 8_000_000],
    [undefined, 8_000_000],
  ])("%j is read as %d", (value, bytes) => {
    expect(read(megabytes(value), (options) => options.number("partSizeBytes", partSize))).toBe(bytes);
  });

  test.each([
    [3, "partMegabytes must be a number from 5 to 512"],
    ["many", "partMegabytes must be a number from 5 to 512"],
    [{}, "partMegabytes must be a number from 5 to 512"],
    ["${MEGABYTES}", "partMegabytes: the environment variable MEGABYTES is not set"],
  ])("%j is refused in the dialog's words", (value, problem) => {
    expect(problems(megabytes(value), (options) => options.number("partSizeBytes", partSize))).toContain(
      problem,
    );
  });
});
