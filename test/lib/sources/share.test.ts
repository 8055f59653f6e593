import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  createAbsentSpool,
  createSpool,
  openSource,
  prepareSource,
  type SourceInput,
  type Spool,
  shareSource,
} from "../../../src/lib";
import { failureOf } from "./folder";

const limit = 65_536;
let folder: string;
let own: Spool;
let shared: Spool;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "share-"));
  own = createSpool({ folder: path.join(folder, "own") });
  shared = createSpool({ folder: path.join(folder, "shared") });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytesOf = (length: number) => Buffer.alloc(length, "é");
const inputs: [kind: string, input: (bytes: Buffer) => SourceInput][] = [
  ["text", (bytes) => ({ kind: "text", name: "a.txt", text: bytes.toString("latin1") })],
  ["bytes", (bytes) => ({ kind: "bytes", name: "a.txt", bytes, contentType: "text/csv" })],
  ["function", (bytes) => ({ kind: "function", name: "a.txt", produce: () => Readable.from([bytes]) })],
  [
    "file",
    (bytes) => {
      const file = path.join(folder, "a.txt");
      writeFileSync(file, bytes);
      return { kind: "file", name: "a.txt", path: file };
    },
  ],
];

/** Reads as another machine would, which has nothing but the shared spool. */
async function readElsewhere(source: Parameters<typeof openSource>[0], spool: Spool): Promise<Buffer> {
  const { stream } = await (await openSource(source, { spool })).read();
  return buffer(stream);
}

for (const [kind, inputOf] of inputs) {
  test.each([0, 1, limit / 2])(`${kind} of %i bytes needs no folder that all share`, async (length) => {
    const input = inputOf(bytesOf(length));
    const source = await prepareSource(input, { spool: own });
    const sent = await shareSource(source, { from: own, to: createAbsentSpool() });
    expect(sent).toMatchObject({ name: "a.txt", size: source.size });
    expect(["text", "bytes"]).toContain(sent.kind);
    rmSync(path.join(folder, "own"), { recursive: true, force: true });
    rmSync(path.join(folder, "a.txt"), { force: true });
    const read = await readElsewhere(sent, createAbsentSpool());
    expect(read).toHaveLength(source.size ?? -1);
  });

  test(`${kind} of more is refused without such a folder, and found in it from elsewhere`, async () => {
    const source = await prepareSource(inputOf(bytesOf(limit + 1)), { spool: own });
    const error = await failureOf(shareSource(source, { from: own, to: createAbsentSpool() }));
    expect(error).toMatchObject({ kind: "invalid" });
    expect(error.message).toMatch(/More than 64 KiB .* Name a shared folder/);
    const sent = await shareSource(source, { from: own, to: shared });
    expect(sent).toMatchObject({ kind: "spool", name: "a.txt", size: source.size });
    rmSync(path.join(folder, "own"), { recursive: true, force: true });
    rmSync(path.join(folder, "a.txt"), { force: true });
    const read = await readElsewhere(sent, shared);
    expect(createHash("sha256").update(read).digest("hex")).toBe(sent.sha256);
  });
}

test("keeps the content type, and refuses a file that has changed since it was accepted", async () => {
  const typed = await prepareSource(inputs[1]?.[1](bytesOf(limit + 2)) as SourceInput, { spool: own });
  expect(await shareSource(typed, { from: own, to: shared })).toMatchObject({ contentType: "text/csv" });
  const file = path.join(folder, "a.txt");
  writeFileSync(file, "one");
  const source = await prepareSource({ kind: "file", name: "a.txt", path: file }, { spool: own });
  writeFileSync(file, "two and more");
  expect(await failureOf(shareSource(source, { from: own, to: shared }))).toMatchObject({ kind: "changed" });
});
