import { execFile, execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { hiddenName } from "../../src/lib/writers/publication";
import { diskTarget } from "../support/disk-target";
import { requireTool } from "../support/required";

const run = promisify(execFile);
const available = requireTool("strace", "/usr/bin/strace");
const packageRoot = join(__dirname, "../..");
const temporaryLeaf = hiddenName(
  { deliveryId: "1", target: "a.txt", contentType: undefined, metadata: {}, attributes: {} },
  "part",
);

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "folder-faults-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
});

/** Delivers `new` to `a.txt` in a process of its own. `before` is what starts it. */
async function deliver(before: readonly string[], options: Record<string, unknown> = {}) {
  const child = join(__dirname, "folder-child.ts");
  const node = [process.execPath, "--require", "tsx/cjs", child];
  const [command = "", ...rest] = [...before, ...node, JSON.stringify({ root, ...options }), "a.txt", "new"];
  const { stdout } = await run(command, rest, { cwd: packageRoot });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** @param fault as in strace(1): `rename:error=EIO:when=1` */
function failing(fault: string): string[] {
  const names = { rename: "rename,renameat,renameat2", link: "link,linkat", unlink: "unlink,unlinkat" };
  const [call = "", ...how] = fault.split(":");
  const calls = names[call as keyof typeof names] ?? call;
  // Only what concerns the file is failed, not what Node.js does for itself.
  const paths = ["a.txt", temporaryLeaf].flatMap((leaf) => ["-P", join(root, leaf)]);
  const inject = ["-e", `trace=${calls}`, "-e", `inject=${[calls, ...how].join(":")}`];
  return ["/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", ...paths, ...inject];
}

async function files(): Promise<Record<string, string>> {
  const disk = diskTarget(root);
  const names = await disk.list();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, String(await disk.read(name))])),
  );
}

describe.runIf(available)("a step that fails: the old file stays, nothing is left", () => {
  test.each([
    ["write:error=ENOSPC", "local", /no room left/],
    ["write:error=EDQUOT", "local", /quota/],
    ["write:error=ESTALE", "unavailable", /\(ESTALE\).*mount of the share/],
    ["write:error=EIO", "unavailable", /check the disk/],
    ["fsync:error=EIO", "unavailable", /check the disk/],
    ["fsync:error=ENOSPC", "local", /no room left/],
    ["rename:error=EIO", "unavailable", /cannot be given the name/],
    ["rename:error=EACCES", "denied", /permission/],
    ["rename:error=EBUSY", "unavailable", /Another program/],
    ["rename:error=EXDEV", "invalid", /another file system/],
    ["openat:error=EACCES", "denied", /permission/],
    ["openat:error=EROFS", "local", /read-only/],
    ["openat:error=EMFILE", "local", /too many files/],
    ["openat:error=ENAMETOOLONG", "rejected", /such a name/],
  ])("%s: %s", async (fault, kind, sentence) => {
    await writeFile(join(root, "a.txt"), "old");
    const record = await deliver(failing(fault));
    expect(record).toMatchObject({ kind, message: expect.stringMatching(sentence) });
    expect(await files()).toEqual({ "a.txt": "old" });
  });
});

describe.runIf(available)("a step that fails and does not matter", () => {
  test.each([
    ["fchmod:error=EPERM", {}, []],
    ["fchmod:error=EPERM", { fileMode: "640" }, [expect.stringMatching(/knows no permissions/)]],
    ["link:error=EPERM", { conflict: "fail" }, [expect.stringMatching(/no hard links/)]],
    ["link:error=EOPNOTSUPP", { conflict: "keep-both" }, [expect.stringMatching(/no hard links/)]],
  ])("%s, %j: delivered", async (fault, options, notes) => {
    expect(await deliver(failing(fault), options)).toMatchObject({ outcome: "delivered", notes });
    expect(await files()).toEqual({ "a.txt": "new" });
  });

  test.each([
    ["fail", { kind: "rejected", code: "EEXIST" }, { "a.txt": "old" }],
    ["keep-both", { outcome: "delivered" }, { "a.txt": "old", "a-1.txt": "new" }],
  ])("no hard links, and a file there, %s", async (conflict, expected, after) => {
    await writeFile(join(root, "a.txt"), "old");
    expect(await deliver(failing("link:error=EPERM"), { conflict })).toMatchObject(expected);
    expect(await files()).toEqual(after);
  });
});

test.runIf(available)("the temporary name cannot be removed: delivered, with a note", async () => {
  const record = await deliver(failing("unlink:error=EIO"), { conflict: "fail" });
  expect(record).toMatchObject({
    outcome: "delivered",
    notes: [expect.stringMatching(/could not be removed/)],
  });
  expect(Object.keys(await files()).sort()).toEqual([temporaryLeaf, "a.txt"].sort());
});

test.runIf(available)("a file system that does not answer: unavailable in time", async () => {
  const record = await deliver(failing("fsync:delay_enter=4s"), { idleTimeoutMs: 500 });
  expect(record).toMatchObject({ kind: "unavailable", code: "ETIMEDOUT" });
  expect(await files()).toEqual({});
});

test.runIf(available)(
  "a rename that was done though it was reported as failed: found, and told",
  async () => {
    // The file system gives up waiting for its server, which has done it.
    const record = await deliver(failing("rename:delay_exit=1500000"), { idleTimeoutMs: 700 });
    expect(record).toMatchObject({
      outcome: "delivered",
      notes: ["The last step was reported as failed, but the file is in its place."],
    });
    expect(await files()).toEqual({ "a.txt": "new" });
  },
);

const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)("mounted", () => {
  async function mounted(options: string): Promise<void> {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", root]);
    onTestFinished(() => {
      execFileSync("umount", ["--lazy", root]);
    });
  }

  test("a full disk: local, nothing left", async () => {
    await mounted("size=64k");
    await writeFile(join(root, "a.txt"), "old");
    await writeFile(join(root, "big"), Buffer.alloc(1_000_000)).catch(() => {});
    expect(await deliver([])).toMatchObject({ kind: "local", code: "ENOSPC" });
    expect((await readdir(root)).sort()).toEqual(["a.txt", "big"]);
    expect(String(await diskTarget(root).read("a.txt"))).toBe("old");
  });

  test("read-only: local", async () => {
    await mounted("ro");
    expect(await deliver([])).toMatchObject({ kind: "local", code: "EROFS" });
  });

  test("a folder of somebody else: denied", async () => {
    await mkdir(join(root, "sub"), { mode: 0o755 });
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    execFileSync("chmod", ["755", root]);
    const record = await deliver(nobody, { root: join(root, "sub") });
    expect(record).toMatchObject({ kind: "denied", code: "EACCES" });
  });
});
