import { link, lstat, mkdir, readFile, rmdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { hiddenName } from "../../../src/lib/writers/publication";
import { folderBench, folderRequest } from "./folder-bench";

// What all writers do about repeats and companion files is in their contract; this is the folder's own.
const content = "the new content";
const repeated = { begun: 2 };

describe("what an earlier attempt may have delivered", () => {
  test.each(["fail", "keep-both"])(
    "still has its temporary name, too: that is removed (%s)",
    async (conflict) => {
      const { root, disk, deliver } = await folderBench({ conflict });
      const request = folderRequest("a.txt", repeated);
      const final = join(root, "a.txt");
      await writeFile(final, content);
      await link(final, join(root, hiddenName(request, "part")));
      const { ino } = await stat(final);
      expect((await deliver(content, "a.txt", request)).notes).toEqual([
        expect.stringMatching(/earlier attempt/),
      ]);
      expect(await disk.list()).toEqual(["a.txt"]);
      expect((await stat(final)).ino).toBe(ino);
    },
  );

  test("has only its temporary name: it was never published", async () => {
    const { root, disk, deliver } = await folderBench({ conflict: "keep-both" });
    const request = folderRequest("a.txt", repeated);
    await writeFile(join(root, "a.txt"), content);
    await writeFile(join(root, hiddenName(request, "part")), content);
    expect((await deliver(content, "a.txt", request)).location).toMatch(/a-1\.txt$/);
    expect((await disk.list()).sort()).toEqual(["a-1.txt", "a.txt"]);
  });

  test.each(["fail", "keep-both", "replace"])(
    "is a link to the same content: not ours (%s)",
    async (conflict) => {
      const { root, outside, deliver } = await folderBench({ conflict });
      const victim = join(outside, "victim.txt");
      await writeFile(victim, content);
      await symlink(victim, join(root, "a.txt"));
      const outcome = await deliver(content, "a.txt", repeated).catch((error: unknown) => error);
      if (conflict === "fail") expect(outcome).toMatchObject({ kind: "rejected", code: "EEXIST" });
      else expect(outcome).toMatchObject({ outcome: "delivered" });
      expect((await lstat(join(root, "a.txt"))).isSymbolicLink()).toBe(conflict !== "replace");
      expect((await stat(victim)).nlink).toBe(1);
    },
  );
});

describe("companion files", () => {
  const done = { attributes: { doneFile: "a.txt.done" } };

  test("have the permissions of the content", async () => {
    const { root, deliver } = await folderBench({ fileMode: "640", checksumFile: "sha256" });
    await deliver(content, "a.txt", done);
    for (const leaf of ["a.txt", "a.txt.sha256", "a.txt.done"]) {
      expect((await stat(join(root, leaf))).mode & 0o777).toBe(0o640);
    }
  });

  test("are never written through a link that somebody has laid", async () => {
    const { root, outside, deliver } = await folderBench();
    const victim = join(outside, "victim.txt");
    await writeFile(victim, "untouched");
    const request = folderRequest("a.txt", done);
    await symlink(victim, join(root, "a.txt.done"));
    await symlink(victim, join(root, hiddenName({ ...request, target: "a.txt\0a.txt.done" }, "part")));
    await deliver(content, "a.txt", request);
    expect((await lstat(join(root, "a.txt.done"))).isFile()).toBe(true);
    expect(String(await readFile(victim))).toBe("untouched");
  });

  test("a later attempt of the same writer mends only what was wrong", async () => {
    const { root, disk, deliver } = await folderBench({ conflict: "fail", checksumFile: "md5" });
    const request = folderRequest("a.txt", done);
    const inTheWay = join(root, "a.txt.done");
    await mkdir(inTheWay);
    await expect(deliver(content, "a.txt", request)).rejects.toMatchObject({
      code: "EISDIR",
      message: expect.stringMatching(/a\.txt is in its place, but a\.txt\.done beside it is not\. .*folder/),
    });
    const { ino } = await stat(join(root, "a.txt"));
    await rmdir(inTheWay);
    await deliver(content, "a.txt", { ...request, begun: 2 });
    expect((await stat(join(root, "a.txt"))).ino).toBe(ino);
    expect((await disk.list()).sort()).toEqual(["a.txt", "a.txt.done", "a.txt.md5"]);
  });
});
