import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createMemoryStore, createSpool, type DeliveryStore, type SourceSpec } from "../../src/lib";
import { createSharedSpool } from "../../src/nodes/store/shared-spool";
import { failureOf } from "../lib/sources/folder";

let root: string;
let share: string;
let store: DeliveryStore;

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "share-"));
  share = path.join(root, "mount");
  await mkdir(share);
  store = createMemoryStore();
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A process of its own, which knows nothing but the store and the folder. */
function open() {
  const own = {
    store: createMemoryStore(),
    spool: createSpool({ folder: "/nowhere" }),
    keepSource: async (source: SourceSpec) => source,
  };
  const limits = { ageMs: 3_600_000, bytes: 1e9, deliveries: 10 };
  const connect = () => expect.fail("There is no bucket.");
  return createSharedSpool({ in: "folder", folder: share }, store, { own, limits, connect });
}

const put = (spool: ReturnType<typeof open>, text: string) => spool.put(Readable.from([text]));

/** The share goes away, and what it was mounted on is there. */
async function unmount(): Promise<void> {
  await rename(share, path.join(root, "elsewhere"));
  await mkdir(share);
}
async function mount(): Promise<void> {
  await rm(share, { recursive: true });
  await rename(path.join(root, "elsewhere"), share);
}

test("a folder that is not mounted takes nothing, loses nothing, and is used again when it is", async () => {
  const spool = open();
  const { sha256, size } = await put(spool, "first");
  await unmount();
  for (const one of [spool, open()]) {
    const uses = [
      () => put(one, "second"),
      () => one.ready(sha256, size),
      () => one.has(sha256),
      () => buffer(one.open(sha256)),
    ];
    for (const use of uses) {
      const error = await failureOf(use());
      expect(error).toMatchObject({ kind: "local", maxAttempts: undefined });
      expect(error.message).toMatch(/is not the one that was there before.* Mount it\./);
    }
    expect(await failureOf(one.prune(async () => new Map()))).toMatchObject({ kind: "local" });
  }
  // Nothing is left there that the share would hide.
  const left = await readdir(share, { recursive: true, withFileTypes: true });
  expect(left.filter((entry) => entry.isFile())).toEqual([]);
  await mount();
  expect(await buffer(spool.open(sha256))).toEqual(Buffer.from("first"));
  expect(await open().has(sha256, size)).toBe(true);
});

test("a folder that is not there at all is named", async () => {
  await rm(share, { recursive: true });
  const spool = open();
  expect((await failureOf(put(spool, "first"))).message).toMatch(
    /is not there\. Mount it, or correct its name\.$/,
  );
  await mkdir(share);
  await put(spool, "first");
});

test("those who come to it at once agree, however often that happens", async () => {
  for (let n = 0; n < 40; n++) {
    store = createMemoryStore();
    const spools = Array.from({ length: 4 }, open);
    await Promise.all(spools.map((spool, at) => put(spool, `of ${at}`)));
    await put(open(), "of one that comes later");
  }
});

test("what is put by one of them all others have, and other stores have their own part of it", async () => {
  const spools = Array.from({ length: 5 }, open);
  const written = await Promise.all(spools.map((spool, n) => put(spool, `of ${n}`)));
  for (const { sha256, size } of written) expect(await open().has(sha256, size)).toBe(true);
  store = createMemoryStore();
  expect(await open().has(written[0]?.sha256 ?? "")).toBe(false);
});
