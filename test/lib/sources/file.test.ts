import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type FileSpec, openSource, prepareSource } from "../../../src/lib";
import { classifyFileError } from "../../../src/lib/sources/source-errors";
import { failureOf, readAll, temporaryFolder, temporarySpool, withoutRootRights } from "./folder";

const folder = temporaryFolder();
const spool = temporarySpool();
const megabyte = 1024 * 1024;
let files = 0;

function makeFile(content: string | Uint8Array = "some content"): string {
  const file = path.join(folder, `file-${++files}.txt`);
  writeFileSync(file, content);
  return file;
}

function prepare(file: string, more: Partial<FileSpec> = {}, snapshot = false) {
  return prepareSource({ kind: "file", name: "a.txt", path: file, ...more }, { spool, snapshot });
}

describe("a file", () => {
  test.each([0, 1, megabyte - 1, megabyte, megabyte + 1, 3 * megabyte + 17])(
    "of %d bytes comes whole, again and again",
    async (size) => {
      const content = Buffer.alloc(size, "abcdefg\r\n");
      const source = await openSource(await prepare(makeFile(content)), { spool });
      expect(source.size).toBe(size);
      expect((await readAll(source)).equals(content)).toBe(true);
      expect((await readAll(source)).equals(content)).toBe(true);
      const start = Math.floor(size / 2);
      expect((await readAll(source, { start })).equals(content.subarray(start))).toBe(true);
    },
  );

  describe.each(["file", "spool"])("in memory that was given back (%s)", (kind) => {
    const content = randomBytes(9 * megabyte + 17);

    async function open() {
      const spec = await prepareSource(
        { kind: "file", name: "a.bin", path: makeFile(content) },
        { spool, snapshot: kind === "spool" },
      );
      const { stream, recycle } = await (await openSource(spec, { spool })).read();
      if (!recycle) throw new Error("It takes no memory back.");
      return { stream, recycle };
    }

    test("comes whole, from a few buffers", async () => {
      const { stream, recycle } = await open();
      const hash = createHash("sha256");
      const memory = new Set<ArrayBufferLike>();
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        hash.update(chunk);
        memory.add(chunk.buffer);
        recycle(chunk);
      }
      expect(hash.digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
      expect(memory.size).toBeLessThan(8);
    });

    test("what is kept stays as it is, whatever else is given back, and twice", async () => {
      const { stream, recycle } = await open();
      const kept: Buffer[] = [];
      let n = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        if (n++ % 2 === 0) kept.push(chunk);
        else {
          kept.push(Buffer.from(chunk));
          recycle(chunk);
          recycle(chunk);
          recycle(Buffer.alloc(chunk.length));
        }
      }
      expect(Buffer.concat(kept).equals(content)).toBe(true);
    });
  });

  test("is pinned by size, time and inode, and the pins are kept when it is prepared again", async () => {
    const file = makeFile();
    const spec = await prepare(file);
    expect(spec).toMatchObject({ kind: "file", path: file, size: 12 });
    expect(spec).toHaveProperty("mtimeMs");
    expect(spec).toHaveProperty("inode");
    expect(await prepareSource(spec, { spool })).toEqual(spec);
    appendFileSync(file, "!");
    expect((await failureOf(prepareSource(spec, { spool }))).kind).toBe("changed");
  });

  test("may be a link", async () => {
    const link = path.join(folder, "link.txt");
    symlinkSync(makeFile("linked"), link);
    expect(String(await readAll(await openSource(await prepare(link), { spool })))).toBe("linked");
  });

  test.each<[string, (file: string) => void, string]>([
    ["has grown", (file) => appendFileSync(file, "more"), "changed"],
    ["has shrunk", (file) => truncateSync(file, 3), "changed"],
    ["was written to", (file) => utimesSync(file, 1, 1), "changed"],
    ["was replaced by one alike", replaceAlike, "changed"],
    ["was deleted", (file) => rmSync(file), "missing"],
    ["has become a folder", (file) => [rmSync(file), mkdirSync(file)], "invalid"],
  ])("that %s before it is read is refused", async (_, change, kind) => {
    const file = makeFile();
    const source = await openSource(await prepare(file), { spool });
    change(file);
    const error = await failureOf(source.read());
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(file);
  });

  test.each<[string, (file: string) => void]>([
    ["grows", (file) => appendFileSync(file, "more")],
    ["shrinks", (file) => truncateSync(file, megabyte)],
    ["is written to", (file) => utimesSync(file, 1, 1)],
    ["is replaced by one alike", replaceAlike],
    ["is deleted", (file) => rmSync(file)],
  ])("that %s while it is read fails as changed instead of ending", async (_, change) => {
    const file = makeFile(Buffer.alloc(8 * megabyte, 1));
    const reading = await (await openSource(await prepare(file), { spool })).read();
    const read = async () => {
      let chunks = 0;
      for await (const _chunk of reading.stream) {
        if (++chunks === 1) change(file);
      }
    };
    const error = await failureOf(read());
    expect(error.kind).toBe("changed");
    expect(error.message).toContain("changed while it was being delivered");
  });

  test("is copied to the spool on request, and then may change", async () => {
    const file = makeFile("as it was");
    const spec = await prepare(file, {}, true);
    expect(spec).toMatchObject({ kind: "spool", name: "a.txt", size: 9 });
    rmSync(file);
    expect(String(await readAll(await openSource(spec, { spool })))).toBe("as it was");
  });

  test.each<[string, () => string, string]>([
    ["does not exist", () => path.join(folder, "none.txt"), "missing"],
    ["lies below a file", () => path.join(makeFile(), "x"), "missing"],
    ["is a folder", () => folder, "invalid"],
    ["is a device", () => "/dev/zero", "invalid"],
    ["is a named pipe", makePipe, "invalid"],
    ["has no path", () => "", "invalid"],
    ["has a NUL in its path", () => "/tmp/a\0b", "invalid"],
    ["has too long a name", () => path.join(folder, "x".repeat(300)), "invalid"],
    ["is a link to itself", makeLoop, "invalid"],
  ])("that %s is refused when it is prepared, and when it is read", async (_, make, kind) => {
    const file = make();
    const error = await failureOf(prepare(file));
    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(/^The .+\.$/);
    const source = await openSource({ kind: "file", name: "a", path: file || "." }, { spool });
    expect((await failureOf(source.read())).kind).toBe(kind);
  });

  test("that may not be read is denied", async () => {
    const file = makeFile();
    chmodSync(file, 0);
    const source = await openSource(await prepare(file), { spool });
    const error = await withoutRootRights(() => failureOf(source.read()));
    expect(error.kind).toBe("denied");
    expect(error.message).toContain(file);
  });

  test.each([
    ["EACCES", "denied"],
    ["EPERM", "denied"],
    ["EISDIR", "invalid"],
    ["EBUSY", "unavailable"],
    ["EAGAIN", "unavailable"],
    ["ESTALE", "unavailable"],
    ["EIO", "unavailable"],
    ["EMFILE", "local"],
    ["EWHATEVER", "unavailable"],
  ])("that fails with %s is %s", (code, kind) => {
    const error = classifyFileError(Object.assign(new Error("x"), { code }), "/data/a.csv");
    expect(error.kind).toBe(kind);
    expect(error.code).toBe(code);
    if (kind !== "local") expect(error.message).toContain("/data/a.csv");
  });

  test("larger than allowed is rejected", async () => {
    const file = makeFile("12345");
    const limited = (maxBytes: number) =>
      prepareSource({ kind: "file", name: "a", path: file }, { spool, maxBytes });
    expect((await failureOf(limited(4))).kind).toBe("rejected");
    await limited(5);
  });

  test("leaves no descriptor open, however its reading ends", async () => {
    const file = makeFile(Buffer.alloc(4 * megabyte));
    const open = () => readdirSync("/proc/self/fd").length;
    const spec = await prepare(file);
    const before = open();
    for (let round = 0; round < 20; round++) {
      const source = await openSource(spec, { spool });
      await readAll(source);
      (await source.read()).stream.destroy();
      const aborting = new AbortController();
      const aborted = readAll(source, { signal: aborting.signal });
      aborting.abort();
      await failureOf(aborted);
      await failureOf((await openSource({ ...spec, size: 1 } as FileSpec, { spool })).read());
    }
    await wait(50);
    expect(open()).toBe(before);
  });
});

function replaceAlike(file: string): void {
  // With the same bytes and times: only the inode is another.
  execFileSync("cp", ["-p", file, `${file}.new`]);
  renameSync(`${file}.new`, file);
}

function makePipe(): string {
  const pipe = path.join(folder, `pipe-${++files}`);
  execFileSync("mkfifo", [pipe]);
  return pipe;
}

function makeLoop(): string {
  const link = path.join(folder, `loop-${++files}`);
  symlinkSync(link, link);
  return link;
}
