import { describe, expect, test } from "vitest";
import { DeliveryError, parseRecipients } from "../../../src/lib";

describe("recipients that are understood", () => {
  test.each([
    ["ann@example.com", ["ann@example.com"]],
    [" ann@example.com , bob@example.com,", ["ann@example.com", "bob@example.com"]],
    ["Ann <ann@example.com>", ["Ann <ann@example.com>"]],
    ["<ann@example.com>", ["ann@example.com"]],
    ['"Doe, Jane" <jane@example.com>, bob@x.test', ['"Doe, Jane" <jane@example.com>', "bob@x.test"]],
    ['"The \\"Boss\\"" <b@x.test>', ['"The \\"Boss\\"" <b@x.test>']],
    ['Jane "JD" Doe <jane@x.test>', ["Jane JD Doe <jane@x.test>"]],
    ["Jürgen Groß 名 <j@x.test>", ["Jürgen Groß 名 <j@x.test>"]],
    ["Ops (night) <ops@x.test>", ['"Ops (night)" <ops@x.test>']],
    ["a+tag.b'c@Example.COM", ["a+tag.b'c@example.com"]],
    ["ann@münchen.test", ["ann@xn--mnchen-3ya.test"]],
    ["jürgen@münchen.test", ["jürgen@münchen.test"]],
    ["root@localhost", ["root@localhost"]],
    ["ann@x.test, Ann <ann@X.test>", ["Ann <ann@x.test>"]],
  ])("%s", (text, expected) => {
    const recipients = parseRecipients(text);
    expect(recipients).toEqual(expected);
    // What is stored as a list joined by commas must come back as the same people.
    expect(parseRecipients(recipients.join(", "))).toEqual(expected);
  });
});

describe("recipients that are refused", () => {
  test.each([
    ["", /no recipient/],
    [" , ,", /no recipient/],
    ["a@b.test\r\nBcc: evil@x.test", /line break/],
    ["a@b.test\nevil@x.test", /line break/],
    ["Ann\r\nBcc: evil@x.test <a@b.test>", /line break/],
    ["a@b.test\0", /control character/],
    ["a@b.test\u2028Bcc: x@y.test", /line break/],
    ["a@b.test> RCPT TO:<evil@x.test", /not an e-mail address/],
    ["Ann <a@b.test> <evil@x.test>", /more than one address/],
    ["a@b.test evil@x.test", /not an e-mail address/],
    ["a@b.test; c@d.test", /by commas/],
    ['"Ann <a@b.test>', /quotation mark/],
    ["ann", /not an e-mail address/],
    ["@x.test", /not an e-mail address/],
    ["a@", /not an e-mail address/],
    ["a@b@c.test", /not an e-mail address/],
    [".a@b.test", /not an e-mail address/],
    ["a..b@c.test", /not an e-mail address/],
    ["a@-b.test", /not an e-mail address/],
    ["a@b..test", /not an e-mail address/],
    ["a@b_c.test", /not an e-mail address/],
    [`${"a".repeat(65)}@b.test`, /not an e-mail address/],
    [
      `a@${"b".repeat(60)}.${"c".repeat(63)}.${"d".repeat(63)}.${"e".repeat(63)}.test`,
      /not an e-mail address/,
    ],
    ["Team: a@b.test, c@d.test;", /not an e-mail address/],
  ])("%j", (text, sentence) => {
    const error = refusalOf(text);
    expect(error).toMatchObject({ kind: "invalid", message: expect.stringMatching(sentence) });
    expect(error.message).not.toMatch(/[\r\n\0]/);
  });

  test("a long list takes no noticeable time", () => {
    const started = performance.now();
    expect(() => parseRecipients(`"${'\\"'.repeat(100_000)}`)).toThrow(DeliveryError);
    expect(parseRecipients("a@b.test,".repeat(20_000))).toEqual(["a@b.test"]);
    expect(() => parseRecipients(`${'"'.repeat(50_000)}<${"a.".repeat(50_000)}@x>`)).toThrow(DeliveryError);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

function refusalOf(text: string): DeliveryError {
  try {
    parseRecipients(text);
  } catch (error) {
    if (error instanceof DeliveryError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted.`);
}
