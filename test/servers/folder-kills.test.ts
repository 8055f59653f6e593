import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { hiddenName } from "../../src/lib/writers/publication";
import { conflictPolicies } from "../../src/lib/writers/target-name";
import { diskTarget } from "../support/disk-target";
import { requireTool } from "../support/required";

// Processes that die with SIGKILL at a system call, and the next one, which takes the delivery over.
const run = promisify(execFile);
const stracePath = "/usr/bin/strace";
const available = requireTool("strace", stracePath);
const content = "the new content";
const md5 = createHash("md5").update(content).digest("hex");
const all = { "a.txt": content, "a.txt.md5": `${md5}  a.txt\n`, "a.txt.done": "" };

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "folder-kills-"));
  onTestFinished(() => rm(root, { recursive: true }));
});

/** Delivers `a.txt` in a process of its own. `before` is what starts it. */
async function deliver(conflict: string, begun: number, before: readonly string[] = []) {
  const options = { root, conflict, checksumFile: "md5" };
  const request = { begun, attributes: { doneFile: "a.txt.done" } };
  const child = [process.execPath, "--require", "tsx/cjs", join(__dirname, "folder-child.ts")];
  const parameters = [JSON.stringify(options), "a.txt", content, JSON.stringify(request)];
  const [command = "", ...rest] = [...before, ...child, ...parameters];
  const { stdout } = await run(command, rest, { cwd: join(__dirname, "../..") });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Before the calls are made, on that file of the root. */
function killedAt(calls: string, leaf: string): string[] {
  const inject = ["-e", `trace=${calls}`, "-e", `inject=${calls}:signal=KILL`];
  return [stracePath, "-f", "-qq", "-o", "/dev/null", "-P", join(root, leaf), ...inject];
}

async function files(): Promise<Record<string, string>> {
  const disk = diskTarget(root);
  const names = await disk.list();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, String(await disk.read(name))])),
  );
}

/** Under which the content of `a.txt`, or the companion of that name, is written. */
function temporaryName(companion?: string): string {
  const target = companion === undefined ? "a.txt" : `a.txt\0${companion}`;
  const request = { deliveryId: "1", target, contentType: undefined, metadata: {}, attributes: {} };
  return hiddenName(request, "part");
}

const renaming = "rename,renameat,renameat2";
const moments = [
  ["before the new name is put on the disk", "openat", "."],
  ["with the content in its place", renaming, temporaryName("a.txt.md5")],
  ["with the checksum file in its place", renaming, temporaryName("a.txt.done")],
] as const;

describe.runIf(available).each(conflictPolicies)("killed, %s", (conflict) => {
  test.each(moments)("%s: the next process adds what is missing", async (_title, calls, leaf) => {
    await expect(deliver(conflict, 1, killedAt(calls, leaf))).rejects.toThrow();
    const before = Object.keys(await files());
    expect(before).toContain("a.txt");
    expect(before).not.toContain("a.txt.done");
    const { ino } = await stat(join(root, "a.txt"));
    expect(await deliver(conflict, 2)).toMatchObject({
      outcome: "delivered",
      notes: [expect.stringMatching(/^An earlier attempt had delivered it/)],
    });
    expect(await files()).toEqual(all);
    expect((await stat(join(root, "a.txt"))).ino).toBe(ino);
  });
});

describe.runIf(available).each(["fail", "keep-both"])("killed, %s", (conflict) => {
  test("with the file under both its names: the next process takes one away", async () => {
    const temporary = temporaryName();
    await expect(deliver(conflict, 1, killedAt("unlink,unlinkat", temporary))).rejects.toThrow();
    expect(await files()).toEqual({ "a.txt": content, [temporary]: content });
    expect(await deliver(conflict, 2)).toMatchObject({ outcome: "delivered" });
    expect(await files()).toEqual(all);
  });
});
