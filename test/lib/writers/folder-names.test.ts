import { describe, expect, test } from "vitest";
import { fileNames } from "../../../src/lib/writers/folder/names";

describe("names on Windows", () => {
  test.each([
    ["a\\b.csv", /holds \\,/],
    ["C:/report.csv", /holds :,/],
    ["report.csv:hidden", /holds :,/],
    ["reports/10:30.csv", /^The name "10:30\.csv" holds :, which Windows does not take\. Choose another\.$/],
    ["what?.csv", /holds \?,/],
    ['"a".csv', /holds ",/],
    ["report.csv.", /ends in a dot or a space/],
    ["2026 /report.csv", /ends in a dot or a space/],
    ["NUL", /is that of a device/],
    ["reports/con.txt", /is that of a device/],
    ["aux.tar.gz", /is that of a device/],
    ["com1 .txt", /is that of a device/],
    ["LPT³", /is that of a device/],
  ])("%j is refused there, and taken elsewhere", (target, reason) => {
    expect(() => fileNames(target, "win32")).toThrow(reason);
    expect(fileNames(target, "linux").join("/")).toBe(target);
  });

  test.each([
    "reports/2026/a.csv",
    "console.txt",
    "null.csv",
    "com.csv",
    "com10.txt",
    ".hidden",
    "a b.c d",
    "ünï 名.txt",
  ])("%j is taken", (target) => expect(fileNames(target, "win32").join("/")).toBe(target));

  test("what no system takes is refused on all", () => {
    expect(() => fileNames("../a.csv", "win32")).toThrow('holds a "." or ".." folder');
    expect(() => fileNames("../a.csv", "linux")).toThrow('holds a "." or ".." folder');
  });
});
