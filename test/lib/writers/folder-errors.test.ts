import { describe, expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import { classifyFolderError, type FolderStep } from "../../../src/lib/writers/folder/errors";

const path = "/srv/outgoing/a.txt";
const failing = (code: string) => Object.assign(new Error(`${code}: something, open '${path}'`), { code });

const table: [code: string, step: FolderStep, kind: string, sentence: RegExp][] = [
  [
    "ENOENT",
    "root",
    "missing",
    /^The folder \/srv\/outgoing\/a\.txt cannot be used \(ENOENT\).*mount the share/,
  ],
  ["ENOTDIR", "root", "invalid", /not a folder/],
  ["EACCES", "root", "denied", /permission to write/],
  ["ENOENT", "write", "missing", /does not exist/],
  ["ENOTDIR", "folder", "rejected", /there is a file/],
  ["EACCES", "folder", "denied", /^The folder .* cannot be made/],
  ["EACCES", "write", "denied", /^The content for .* cannot be written/],
  ["EPERM", "publish", "denied", /^The new file cannot be given the name/],
  ["ENOSPC", "write", "local", /no room left/],
  ["EDQUOT", "write", "local", /quota/],
  ["EROFS", "write", "local", /read-only/],
  ["EMFILE", "write", "local", /too many files/],
  ["EISDIR", "publish", "rejected", /folder of that name/],
  ["ENAMETOOLONG", "write", "rejected", /such a name/],
  ["EINVAL", "write", "rejected", /such a name/],
  ["EILSEQ", "write", "rejected", /such a name/],
  ["EFBIG", "write", "rejected", /files of that size/],
  ["ELOOP", "folder", "invalid", /circle/],
  ["EXDEV", "publish", "invalid", /another file system/],
  ["EBUSY", "publish", "unavailable", /another program/i],
  ["EIO", "write", "unavailable", /mount of the share/],
  ["ESTALE", "look", "unavailable", /mount of the share/],
  ["EHOSTDOWN", "write", "unavailable", /mount of the share/],
  ["ETIMEDOUT", "write", "unavailable", /mount of the share/],
  ["ENEWCODE", "write", "unavailable", /mount of the share/],
];

describe("errors of the file system", () => {
  test.each(table)("%s while it is at %s: %s", (code, step, kind, sentence) => {
    const error = classifyFolderError(failing(code), { step, path });
    expect(error).toMatchObject({ kind, code });
    expect(error.message).toMatch(sentence);
    expect(error.message).toMatch(/^[A-Z/].*\.$/);
  });

  test("Windows denies the renaming over a file that somebody has open", () => {
    const place = { step: "publish", path } as const;
    expect(classifyFolderError(failing("EPERM"), place, "win32")).toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(/Another program uses it/),
    });
    expect(classifyFolderError(failing("EACCES"), place, "win32").kind).toBe("denied");
  });

  test("an error without a code", () => {
    const error = classifyFolderError(new Error("strange"), { step: "write", path });
    expect(error).toMatchObject({ kind: "unavailable", code: undefined });
  });

  test("a DeliveryError stays what it is", () => {
    const error = new DeliveryError("changed", "The source changed.");
    expect(classifyFolderError(error, { step: "write", path })).toBe(error);
  });
});
