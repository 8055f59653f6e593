import { describe, expect, test } from "vitest";
import { readFolderWriterOptions } from "../../../src/lib/writers/folder";

describe("options", () => {
  test("the defaults", () => {
    expect(readFolderWriterOptions({ root: "/srv/outgoing" })).toEqual({
      root: "/srv/outgoing",
      makeFolders: true,
      fileMode: undefined,
      verify: "small-files",
      checksumFile: "none",
      conflict: "replace",
      idleTimeoutMs: 120_000,
    });
  });

  test.each([
    ["/srv/outgoing/", "/srv/outgoing"],
    ["/srv//outgoing/./x/..", "/srv/outgoing"],
    ["/", "/"],
    ["/srv/with space ", "/srv/with space "],
  ])("the folder %j is %j", (root, expected) => {
    expect(readFolderWriterOptions({ root }).root).toBe(expected);
  });

  test.each([
    ["640", 0o640],
    ["0644", 0o644],
    ["600", 0o600],
    ["", undefined],
  ])("the permissions %j are %j", (fileMode, expected) => {
    expect(readFolderWriterOptions({ root: "/srv", fileMode }).fileMode).toBe(expected);
  });

  test.each([
    ["no folder", {}, /root is missing/],
    ["a relative folder", { root: "outgoing" }, /root must be an absolute path/],
    ["a folder with a line break", { root: "/srv/a\nb" }, /root must not hold control characters/],
    ["permissions in words", { root: "/srv", fileMode: "rw-r--r--" }, /three octal digits/],
    ["permissions that lock the owner out", { root: "/srv", fileMode: "044" }, /6 comes first/],
    ["set-user-ID", { root: "/srv", fileMode: "4755" }, /three octal digits/],
    ["another check", { root: "/srv", verify: "crc" }, /verify must be one of/],
    ["another checksum file", { root: "/srv", checksumFile: "crc" }, /checksumFile must be one of/],
    ["another policy", { root: "/srv", conflict: "append" }, /conflict must be one of/],
    ["no time", { root: "/srv", idleTimeoutMs: 0 }, /idleTimeoutMs must be a number/],
  ])("refused: %s", (_title, input, problem) => {
    expect(() => readFolderWriterOptions(input)).toThrow(problem);
    expect(() => readFolderWriterOptions(input)).toThrow(expect.objectContaining({ kind: "invalid" }));
  });
});
