import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { createSpool, DeliveryError, openSource, type SpoolSpec } from "../../../src/lib";
import { classifySpoolError } from "../../../src/lib/sources/source-errors";
import { failureOf, readAll, temporaryFolder, temporarySpool, until, withoutRootRights } from "./folder";

const sha256Of = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
const putText = (spool: ReturnType<typeof temporarySpool>, text: string) => spool.put(Readable.from([text]));

describe("the spool keeps", () => {
  test.each<[string, () => Iterable<string | Uint8Array>]>([
    ["nothing", () => []],
    ["one byte", () => ["x"]],
    ["text in pieces", () => ["a\r\n", "ü", "", "名"]],
    ["many small pieces", () => Array.from({ length: 5000 }, (_, n) => `${n};`)],
    [
      "small and large pieces",
      () => ["a", randomBytes(3_000_000), "b", randomBytes(100_000), randomBytes(200_000)],
    ],
    [
      "pieces as large as its buffer",
      () => [randomBytes(131_072), randomBytes(131_071), randomBytes(262_144)],
    ],
  ])("%s, byte for byte", async (_, make) => {
    const spool = temporarySpool();
    const chunks = [...make()];
    const content = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)));
    const written = await spool.put(Readable.from(chunks));
    expect(written).toEqual({ sha256: sha256Of(content), size: content.length });
    expect(readFileSync(path.join(spool.folder, written.sha256)).equals(content)).toBe(true);
    expect(readdirSync(spool.folder)).toEqual([written.sha256]);
    const source = await openSource({ kind: "spool", name: "a", ...written }, { spool });
    expect((await readAll(source)).equals(content)).toBe(true);
    expect((await readAll(source, { start: 2 })).equals(content.subarray(2))).toBe(true);
  });

  test("its files for their owner only", async () => {
    const spool = temporarySpool();
    const { sha256 } = await putText(spool, "secret");
    expect(statSync(spool.folder).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(spool.folder, sha256)).mode & 0o777).toBe(0o600);
  });

  test("the same content once, also when it is put many times at once", async () => {
    const spool = temporarySpool();
    const content = randomBytes(500_000);
    const all = await Promise.all(Array.from({ length: 12 }, () => spool.put(Readable.from([content]))));
    expect(new Set(all.map(({ sha256 }) => sha256)).size).toBe(1);
    expect(readdirSync(spool.folder)).toEqual([sha256Of(content)]);
    expect(await spool.has(sha256Of(content), content.length)).toBe(true);
  });
});

describe("a put that fails", () => {
  const spool = temporarySpool();
  const failing = (error: Error) =>
    Readable.from(
      (async function* () {
        yield "some bytes";
        throw error;
      })(),
    );

  test.each<[string, () => Promise<unknown>, string, RegExp]>([
    ["with its stream", () => spool.put(failing(new Error("boom"))), "unavailable", /boom/],
    [
      "with its stream's file",
      () => spool.put(failing(Object.assign(new Error("gone"), { code: "ENOENT" }))),
      "missing",
      /gone/,
    ],
    [
      "with a DeliveryError",
      () => spool.put(failing(new DeliveryError("denied", "No."))),
      "denied",
      /^No\.$/,
    ],
    [
      "because it is too large",
      () => spool.put(Readable.from(["12345", "6"]), { maxBytes: 5 }),
      "rejected",
      /5 bytes/,
    ],
    ["because it gives numbers", () => spool.put(Readable.from([1, 2])), "invalid", /text or bytes/],
    [
      "because it was aborted before",
      () => spool.put(Readable.from(["x"]), { signal: AbortSignal.abort() }),
      "cancelled",
      /interrupted/,
    ],
  ])("%s leaves nothing behind", async (_, put, kind, words) => {
    const error = await failureOf(put());
    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(words);
    expect(existsSync(spool.folder) ? readdirSync(spool.folder) : []).toEqual([]);
  });

  test("when it is aborted half-way leaves nothing behind and stops its stream", async () => {
    const aborting = new AbortController();
    const stream = new Readable({ read() {} });
    stream.push("half");
    const failed = failureOf(spool.put(stream, { signal: aborting.signal }));
    await until(() => readdirSync(spool.folder).length === 1);
    aborting.abort();
    expect((await failed).kind).toBe("cancelled");
    expect(stream.destroyed).toBe(true);
    expect(readdirSync(spool.folder)).toEqual([]);
  });

  test("of a stream that was read before is invalid", async () => {
    const stream = Readable.from(["x"]).resume();
    await once(stream, "end");
    expect((await failureOf(spool.put(stream))).kind).toBe("invalid");
  });

  test("because something else has its folder's name is this machine's fault", async () => {
    const folder = path.join(temporaryFolder(), "file");
    writeFileSync(folder, "");
    const error = await failureOf(createSpool({ folder }).put(Readable.from(["x"])));
    expect(error.kind).toBe("local");
    expect(error.message).toContain("The spool cannot keep the content");
  });

  test("because its folder is not ours to write in is this machine's fault", async () => {
    const folder = path.join(temporaryFolder(), "closed", "spool");
    mkdirSync(path.dirname(folder), { mode: 0o500 });
    const error = await withoutRootRights(() => failureOf(createSpool({ folder }).put(Readable.from(["x"]))));
    expect(error.kind).toBe("local");
    expect(error.code).toBe("EACCES");
  });

  test.each(["ENOSPC", "EDQUOT", "EROFS", "EMFILE", "EIO", "EACCES", "EWHATEVER"])(
    "with %s is this machine's fault",
    (code) => {
      const error = classifySpoolError(Object.assign(new Error("x"), { code }), "keep the content");
      expect(error.kind).toBe("local");
      expect(error.message).toContain(code);
    },
  );
});

describe("content that the spool has lost", () => {
  const spec = (written: { sha256: string; size: number }): SpoolSpec => ({
    kind: "spool",
    name: "a.txt",
    ...written,
  });

  test("is a local error", async () => {
    const spool = temporarySpool();
    const error = await failureOf(openSource(spec({ sha256: sha256Of("none"), size: 4 }), { spool }));
    expect(error.kind).toBe("local");
    expect(error.message).toContain("a.txt");
  });

  test.each<[string, (file: string) => void]>([
    ["cut short", (file) => truncateSync(file, 3)],
    ["longer", (file) => writeFileSync(file, "the content and more")],
  ])("because its file is %s counts as absent, and comes back with the next put", async (_, damage) => {
    const spool = temporarySpool();
    const written = await putText(spool, "the content");
    damage(path.join(spool.folder, written.sha256));
    expect(await spool.has(written.sha256, written.size)).toBe(false);
    expect((await failureOf(openSource(spec(written), { spool }))).kind).toBe("local");
    await putText(spool, "the content");
    expect(String(await readAll(await openSource(spec(written), { spool })))).toBe("the content");
  });

  test("because a bit has flipped is found out while it is read", async () => {
    const spool = temporarySpool();
    const written = await putText(spool, "the content");
    const source = await openSource(spec(written), { spool });
    writeFileSync(path.join(spool.folder, written.sha256), "the cOntent");
    expect((await failureOf(readAll(source))).kind).toBe("local");
  });

  test("because it vanished after it was opened is a local error", async () => {
    const spool = temporarySpool();
    const stream = spool.open(sha256Of("none"));
    const [error] = await once(stream.resume(), "error");
    expect(error).toBeInstanceOf(DeliveryError);
    expect(error.kind).toBe("local");
  });

  test.each(["../../etc/passwd", "", "A".repeat(64), `${"a".repeat(64)}/../x`])(
    "cannot be named %j",
    (sha256) => {
      const open = () => temporarySpool().open(sha256);
      expect(open).toThrow(DeliveryError);
      expect(open).toThrow(/64 lower-case/);
    },
  );
});
