import { randomBytes } from "node:crypto";
import { mkdir, readdir, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { hiddenName } from "../../../src/lib/writers/publication";
import { testSource } from "../../support/sources";
import { folderBench, folderRequest } from "./folder-bench";

describe("the root", () => {
  test("a missing one is never made: a share that is not mounted must not fill this disk", async () => {
    const { root, deliver } = await folderBench();
    await rm(root, { recursive: true });
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({
      kind: "missing",
      code: "ENOENT",
      message: `The folder ${root} cannot be used (ENOENT). It does not exist. Make it, or mount the share that it is on.`,
    });
    await expect(stat(root)).rejects.toThrow("ENOENT");
  });

  test("a file is none", async () => {
    const { root, deliver } = await folderBench();
    await rm(root, { recursive: true });
    await writeFile(root, "");
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({ kind: "invalid", code: "ENOTDIR" });
  });

  test("it may be a symbolic link itself", async () => {
    const { root, outside, deliver } = await folderBench();
    await rm(root, { recursive: true });
    await symlink(outside, root);
    expect((await deliver("x", "in/a.txt")).location).toBe(`file://${root}/in/a.txt`);
    expect(await readdir(join(outside, "in"))).toEqual(["a.txt"]);
  });
});

describe("symbolic links", () => {
  test("to a folder below the root: followed", async () => {
    const { root, disk, deliver } = await folderBench();
    await mkdir(join(root, "2026"));
    await symlink("2026", join(root, "latest"));
    await deliver("x", "latest/11/a.txt");
    expect(await disk.list()).toEqual(expect.arrayContaining(["2026/11/a.txt"]));
  });

  test.each(["way-out/a.txt", "way-out/new/a.txt"])("out of the root, %s: refused", async (target) => {
    const { root, outside, deliver } = await folderBench();
    await symlink(outside, join(root, "way-out"));
    await expect(deliver("x", target)).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringMatching(/symbolic link that leads out of the folder/),
    });
    expect(await readdir(outside)).toEqual([]);
  });

  test("to a folder whose name begins like the root's: refused", async () => {
    const { root, deliver } = await folderBench();
    await mkdir(`${root}-other`);
    await symlink(`${root}-other`, join(root, "near"));
    await expect(deliver("x", "near/a.txt")).rejects.toMatchObject({ kind: "invalid" });
    expect(await readdir(`${root}-other`)).toEqual([]);
  });

  test("to nothing: no folder is made at its end", async () => {
    const { root, outside, deliver } = await folderBench();
    await symlink(join(outside, "new"), join(root, "dangling"));
    await expect(deliver("x", "dangling/a.txt")).rejects.toMatchObject({ retryable: false });
    expect(await readdir(outside)).toEqual([]);
  });

  test("in a circle: refused", async () => {
    const { root, deliver } = await folderBench();
    await symlink("circle", join(root, "circle"));
    await expect(deliver("x", "circle/a.txt")).rejects.toMatchObject({ kind: "invalid", code: "ELOOP" });
  });

  test.each(["replace", "skip-identical"])(
    "under the target's own name, %s: replaced itself",
    async (conflict) => {
      const { root, outside, disk, deliver } = await folderBench({ conflict });
      const other = join(outside, "other.txt");
      await writeFile(other, "same");
      await symlink(other, join(root, "a.txt"));
      expect((await deliver("same", "a.txt")).outcome).toBe("delivered");
      expect((await stat(other)).nlink).toBe(1);
      await expect(readlink(join(root, "a.txt"))).rejects.toThrow("EINVAL");
      expect(String(await disk.read("a.txt"))).toBe("same");
    },
  );

  test("under the temporary name, laid by somebody who knows it: nothing is written through it", async () => {
    const { root, outside, disk, deliver } = await folderBench();
    const victim = join(outside, "victim.txt");
    await writeFile(victim, "untouched");
    const request = folderRequest("a.txt");
    await symlink(victim, join(root, hiddenName(request, "part")));
    await deliver("new", "a.txt", request);
    expect((await stat(victim)).size).toBe(9);
    expect(await disk.list()).toEqual(["a.txt"]);
  });
});

describe("files", () => {
  test("what an attempt left that was killed is overwritten by the next", async () => {
    const { root, disk, deliver } = await folderBench();
    const request = folderRequest("a.txt");
    await writeFile(join(root, hiddenName(request, "part")), "half a file, longer than the new one", {
      mode: 0o400,
    });
    await deliver("whole", "a.txt", request);
    expect(await disk.list()).toEqual(["a.txt"]);
    expect(String(await disk.read("a.txt"))).toBe("whole");
  });

  test.each([
    [undefined, 0o666 & ~process.umask()],
    ["640", 0o640],
    ["666", 0o666],
  ])("permissions %s: those at the end, and the owner's only meanwhile", async (fileMode, expected) => {
    const { root, deliver } = await folderBench({ fileMode });
    const slow = testSource(randomBytes(200_000), { chunkBytes: 20_000, pauseMs: 20 });
    const delivered = deliver(slow, "a.bin");
    await sleep(80);
    const [temporary = ""] = await readdir(root);
    expect(temporary).toMatch(/^\.[0-9a-f]{32}\.part$/);
    expect((await stat(join(root, temporary))).mode & 0o777).toBe(0o600);
    await delivered;
    expect((await stat(join(root, "a.bin"))).mode & 0o777).toBe(expected);
  });

  test("no folders are made when that is not allowed", async () => {
    const { disk, deliver } = await folderBench({ makeFolders: false });
    await expect(deliver("x", "new/a.txt")).rejects.toMatchObject({
      kind: "missing",
      message: expect.stringMatching(/Make it, or let the writer make folders/),
    });
    expect(await disk.list()).toEqual([]);
  });

  test("a name that the file system does not take: rejected, and nothing is left", async () => {
    const { disk, deliver } = await folderBench();
    await expect(deliver("x", "n".repeat(256))).rejects.toMatchObject({
      kind: "rejected",
      code: "ENAMETOOLONG",
    });
    expect(await disk.list()).toEqual([]);
  });

  const small = testSource(Buffer.alloc(8 * 1024 * 1024));
  const big = testSource(Buffer.alloc(8 * 1024 * 1024 + 1));
  test.each([
    ["small-files", "small", small, "read-back"],
    ["small-files", "big", big, "size"],
    ["read-back", "big", big, "read-back"],
    ["size", "small", small, "size"],
  ])("verify %s, a %s file", async (verify, _size, source, verified) => {
    const { deliver } = await folderBench({ verify });
    expect((await deliver(source, "a.bin")).verified).toBe(verified);
  });
});

describe("five deliveries to one name at once", () => {
  const contents = ["one", "two", "three", "four", "five"];
  const slowly = (text: string) => testSource(Buffer.from(text), { chunkBytes: 1, pauseMs: 5 });

  test("fail: one wins, four are told, and only the winner's file is there", async () => {
    const { disk, deliver } = await folderBench({ conflict: "fail" });
    const results = await Promise.allSettled(contents.map((text) => deliver(slowly(text), "a.txt")));
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.map(({ reason }) => reason)).toEqual(
      Array.from({ length: 4 }, () => expect.objectContaining({ kind: "rejected", code: "EEXIST" })),
    );
    const winner = results.findIndex((result) => result.status === "fulfilled");
    expect(await disk.list()).toEqual(["a.txt"]);
    expect(String(await disk.read("a.txt"))).toBe(contents[winner]);
  });

  test("keep-both: five files", async () => {
    const { disk, deliver } = await folderBench({ conflict: "keep-both" });
    const receipts = await Promise.all(contents.map((text) => deliver(slowly(text), "a.txt")));
    expect((await disk.list()).sort()).toEqual(["a-1.txt", "a-2.txt", "a-3.txt", "a-4.txt", "a.txt"]);
    for (const [index, { location }] of receipts.entries()) {
      const name = location.slice(location.lastIndexOf("/") + 1);
      expect(String(await disk.read(name))).toBe(contents[index]);
    }
  });
});
