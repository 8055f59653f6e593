import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { requireTool } from "../support/required";
import { testSource } from "../support/sources";
import { sshdPath } from "../support/sshd";
import { type SftpBench, sftpBench } from "./sftp-bench";

const available = requireTool("openssh-server", sshdPath);

/** Requests that the server shall not know: sftp-server(8), `-P`. */
const without = (...requests: string[]) => ({ sftpArguments: `-P ${requests.join(",")}` });

async function makeFolder({ server }: SftpBench, name: string, mode: number): Promise<string> {
  const folder = join(server.root, name);
  await mkdir(folder);
  await chown(folder, server.owner.uid, server.owner.gid);
  await chmod(folder, mode);
  return folder;
}

describe.runIf(available)("what a server lacks", () => {
  test("a rename that replaces: the old file is moved away first, with a note", async () => {
    const { files, deliver } = await sftpBench(undefined, without("posix-rename"));
    expect((await deliver("old", "a.txt")).notes).toEqual([]);
    expect((await deliver("new", "a.txt")).notes.join()).toMatch(/moved away first/);
    expect(await files()).toEqual({ "a.txt": "new" });
  });

  test("any rename: written under its own name, with a note; an old file stays as it is", async () => {
    const { files, deliver } = await sftpBench(undefined, without("posix-rename", "rename"));
    expect((await deliver("new", "in/a.txt")).notes.join()).toMatch(/does not rename/);
    await expect(deliver("newer", "in/a.txt")).rejects.toMatchObject({ kind: "denied" });
    expect(await files()).toEqual({ "in/a.txt": "new" });
  });

  test("flushing: delivered without a word", async () => {
    const { files, deliver } = await sftpBench(undefined, without("fsync"));
    expect((await deliver("new", "a.txt")).notes).toEqual([]);
    expect(await files()).toEqual({ "a.txt": "new" });
  });

  test("sizes: delivered, unverified, with a note", async () => {
    const { files, deliver } = await sftpBench(undefined, without("fstat", "lstat", "stat"));
    expect(await deliver("new", "a.txt")).toMatchObject({
      verified: "none",
      notes: [expect.stringMatching(/no size/)],
    });
    await expect(deliver("x", "a.txt", { writer: { conflict: "fail" } })).rejects.toMatchObject({
      kind: "invalid",
    });
    expect(await files()).toEqual({ "a.txt": "new" });
  });

  test("reading: not read back, with a note", async () => {
    const { deliver } = await sftpBench(undefined, without("read"));
    const receipt = await deliver("new", "a.txt", { writer: { verify: "read-back" } });
    expect(receipt).toMatchObject({ verified: "size", notes: [expect.stringMatching(/read again/)] });
  });

  test("making folders: denied, with its reason", async () => {
    const { deliver } = await sftpBench(undefined, without("mkdir"));
    await expect(deliver("new", "new/a.txt")).rejects.toMatchObject({
      kind: "denied",
      code: "SSH_FX_PERMISSION_DENIED",
      message: expect.stringMatching(
        /^The SFTP server 127.0.0.1:\d+ refused the folder .*\/new: Permission denied\./,
      ),
    });
  });

  test("writing: denied", async () => {
    const { files, deliver } = await sftpBench(undefined, { sftpArguments: "-R" });
    await expect(deliver("new", "a.txt")).rejects.toMatchObject({ kind: "denied" });
    expect(await files()).toEqual({});
  });
});

describe.runIf(available)("what a server refuses", () => {
  test("a folder without write permission: denied, nothing there", async () => {
    const bench = await sftpBench();
    await makeFolder(bench, "closed", 0o555);
    await expect(bench.deliver("new", "closed/a.txt")).rejects.toMatchObject({
      kind: "denied",
      code: "SSH_FX_PERMISSION_DENIED",
    });
    expect(await bench.files()).toEqual({});
  });

  test("a folder one can only write to: delivered", async () => {
    const bench = await sftpBench();
    await makeFolder(bench, "drop box", 0o333);
    expect((await bench.deliver("new", "drop box/a.txt")).outcome).toBe("delivered");
    expect(await bench.files()).toEqual({ "drop box/a.txt": "new" });
  });

  test("a full disk: unavailable, few attempts, nothing left, the old file stays", async () => {
    const bench = await sftpBench();
    const folder = await makeFolder(bench, "full", 0o755);
    const { uid, gid } = bench.server.owner;
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=1m,uid=${uid},gid=${gid}`, "tmpfs", folder]);
    onTestFinished(() => {
      execFileSync("umount", ["--lazy", folder]);
    });
    await bench.deliver("old", "full/a.bin");
    const big = testSource(Buffer.alloc(3_000_000));
    await expect(bench.deliver(big, "full/a.bin")).rejects.toMatchObject({
      kind: "unavailable",
      code: "SSH_FX_FAILURE",
      maxAttempts: 4,
      retryAfterMs: 60_000,
      message: expect.stringMatching(/disk is full or the quota used up/),
    });
    expect(await bench.files()).toEqual({ "full/a.bin": "old" });
    await bench.deliver("room again", "full/b.bin");
  });

  test("a name of 256 bytes: rejected, nothing left", async () => {
    const { files, deliver } = await sftpBench();
    await expect(deliver("x", "n".repeat(256))).rejects.toMatchObject({
      kind: "rejected",
      code: "SSH_FX_BAD_MESSAGE",
    });
    expect(await files()).toEqual({});
  });

  test("a folder that nobody may make: missing, with the advice", async () => {
    const { deliver } = await sftpBench();
    await expect(deliver("x", "new/a.txt", { writer: { makeFolders: false } })).rejects.toMatchObject({
      kind: "missing",
      message: expect.stringMatching(/Make it, or let the writer make folders/),
    });
  });
});

describe.runIf(available)("where files go", () => {
  test.each([
    ["", "a.txt", "a.txt", /^sftp:\/\/127\.0\.0\.1:\d+\/~\/a\.txt$/],
    [
      "incoming/deep",
      "a.txt",
      "incoming/deep/a.txt",
      /^sftp:\/\/127\.0\.0\.1:\d+\/~\/incoming\/deep\/a\.txt$/,
    ],
  ])("the folder %j, counted from the user's own", async (root, target, stored, location) => {
    const { files, deliver } = await sftpBench(() => ({ root }));
    expect((await deliver("x", target)).location).toMatch(location);
    expect(await files()).toEqual({ [stored]: "x" });
  });

  test("an absolute folder", async () => {
    const { server, files, deliver } = await sftpBench(({ root }) => ({ root: `${root}/incoming/` }));
    const { location } = await deliver("x", "a.txt");
    expect(location).toMatch(new RegExp(`^sftp://127\\.0\\.0\\.1:\\d+${server.root}/incoming/a\\.txt$`));
    expect(await files()).toEqual({ "incoming/a.txt": "x" });
  });

  test("five at once with the policy fail: one wins", async () => {
    const { files, deliver } = await sftpBench();
    const results = await Promise.allSettled(
      ["1", "2", "3", "4", "5"].map((text) => {
        const source = testSource(Buffer.from(text.repeat(5)), { chunkBytes: 1, pauseMs: 20 });
        return deliver(source, "a.txt", { writer: { conflict: "fail" } });
      }),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.map(({ reason }) => reason.kind)).toEqual([
      "rejected",
      "rejected",
      "rejected",
      "rejected",
    ]);
    expect(Object.keys(await files())).toEqual(["a.txt"]);
  });

  test("straight under its own name, where that is wanted", async () => {
    const { files, deliver } = await sftpBench();
    const writer = { temporaryName: false };
    await deliver("old and longer", "in/a.txt", { writer });
    expect((await deliver("new", "in/a.txt", { writer })).verified).toBe("size");
    await expect(deliver("x", "in/a.txt", { writer: { ...writer, conflict: "fail" } })).rejects.toMatchObject(
      {
        kind: "rejected",
      },
    );
    const both = await deliver("both", "in/a.txt", { writer: { ...writer, conflict: "keep-both" } });
    expect(both.location).toMatch(/a-1\.txt$/);
    expect(await files()).toEqual({ "in/a.txt": "new", "in/a-1.txt": "both" });
  });
});
