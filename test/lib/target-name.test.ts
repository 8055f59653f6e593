import { describe, expect, test } from "vitest";
import { DeliveryError, numberedName, splitTargetName } from "../../src/lib";

describe("a target name is split", () => {
  test.each<[string, string[]]>([
    ["a.csv", ["a.csv"]],
    ["reports/2026/a.csv", ["reports", "2026", "a.csv"]],
    ["/reports/a.csv", ["reports", "a.csv"]],
    ["///a.csv", ["a.csv"]],
    [" a ", [" a "]],
    [".hidden", [".hidden"]],
    ["..hidden/...", ["..hidden", "..."]],
    ["~a/-b", ["~a", "-b"]],
    ["ünï 名.txt", ["ünï 名.txt"]],
    ["u\u0308.txt", ["u\u0308.txt"]],
    ["🎈.txt", ["🎈.txt"]],
    ["!#$%&'()+,;=@[]^_`{}~", ["!#$%&'()+,;=@[]^_`{}~"]],
    ["test%46.txt", ["test%46.txt"]],
    ["%2e%2e/a", ["%2e%2e", "a"]],
    ["a\\b", ["a\\b"]],
    ["x".repeat(255), ["x".repeat(255)]],
  ])("%j", (target, segments) => {
    expect(splitTargetName(target)).toEqual(segments);
  });
});

describe("a target name is refused", () => {
  test.each<[string, string, RegExp]>([
    ["that is empty", "", /empty/],
    ["of slashes only", "//", /empty/],
    ["with a CR and LF", "victim\r\nDELE other", /control character/],
    ["with a LF", "a\nb", /control character/],
    ["with a NUL", "a\0b", /control character/],
    ["with a tab", "a\tb", /control character/],
    ["with a DEL", "a\u007fb", /control character/],
    ["with a C1 control", "a\u0085b", /control character/],
    ["that is ..", "..", /"\.\." folder/],
    ["that leaves its folder", "../a", /"\.\." folder/],
    ["that leaves its folder on the way", "a/../../b", /"\.\." folder/],
    ["that leaves its folder at a slash in front", "/../a", /"\.\." folder/],
    ["that leaves its folder on Windows", "a\\..\\..\\b", /"\.\." folder/],
    ["that begins with .. on Windows", "..\\a", /"\.\." folder/],
    ["with a . folder", "a/./b", /"\." or/],
    ["that is .", ".", /"\." or/],
    ["with an empty folder", "a//b", /empty folder name/],
    ["that ends in a slash", "a/", /ends in a slash/],
    ["with half a character", "a\ud800b", /well-formed/],
  ])("%s", (_, target, words) => {
    const split = () => splitTargetName(target);
    expect(split).toThrow(DeliveryError);
    expect(split).toThrow(words);
    try {
      split();
    } catch (error) {
      expect((error as DeliveryError).kind).toBe("invalid");
      // What is told must not do in a log what it was refused for.
      expect((error as DeliveryError).message).not.toMatch(/\p{Cc}|\p{Surrogate}/u);
    }
  });
});

test.each([
  ["report.csv", 1, "report-1.csv"],
  ["report.csv", 12, "report-12.csv"],
  ["report", 1, "report-1"],
  [".hidden", 1, ".hidden-1"],
  ["a.b.csv", 2, "a.b-2.csv"],
  ["a.", 1, "a-1."],
  ["ü 名.txt", 3, "ü 名-3.txt"],
])("%j kept beside another as number %d is %j", (leaf, n, name) => {
  expect(numberedName(leaf, n)).toBe(name);
});
