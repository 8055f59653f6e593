import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteStore, type DeliveryStore } from "../../../src/lib";
import { openSqlite } from "../../../src/lib/store/sqlite/driver";
import { failureOf } from "../sources/folder";
import { attempt, draftOf, receipt } from "./contract";

let folder: string;
let file: string;
const stores: DeliveryStore[] = [];
const notices: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "sqlite-store-"));
  file = path.join(folder, "data", "deliveries.sqlite");
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  notices.splice(0);
  rmSync(folder, { recursive: true, force: true });
});

function open(): DeliveryStore {
  const store = createSqliteStore({ file, onNotice: (notice) => notices.push(notice) });
  stores.push(store);
  return store;
}

async function idsOf(store: DeliveryStore): Promise<string[]> {
  return (await store.list({})).deliveries.map(({ id }) => id).reverse();
}

test.each([
  ["of the first version", "drop table data_distribution_agreed"],
  ["whose change was made and not noted", "delete from data_distribution_agreed"],
])("a file %s is brought up to date, with all that is in it", async (_, undo) => {
  const first = open();
  const { delivery } = await first.accept(draftOf({ onceKey: "key" }));
  await first.close();
  const driver = openSqlite(file);
  driver.exec(`${undo}; delete from data_distribution_schema where version > 1`);
  driver.close();
  const second = open();
  expect(await second.agree("name", "one")).toBe("one");
  expect(await second.get(delivery.id)).toEqual(delivery);
  await second.close();
  expect(await open().agree("name", "two")).toBe("one");
  expect(notices).toEqual([]);
});

test("what was accepted is there for the next process, as it was", async () => {
  const first = open();
  const message = { payload: Buffer.from([0, 255]), at: new Date(5), nested: [{ $date: 1 }, 10n, null] };
  const { delivery } = await first.accept(draftOf({ message, onceKey: "key" }));
  await first.close();
  const second = open();
  expect(await second.get(delivery.id)).toEqual(delivery);
  expect((await second.get(delivery.id))?.message).toEqual(message);
  expect(await second.accept(draftOf({ onceKey: "key" }))).toMatchObject({ duplicate: true });
});

test("what was being sent when a process ended is free at once, its attempt uncounted", async () => {
  const first = open();
  const { delivery } = await first.accept(draftOf());
  const [lost] = await first.claim("writer", "first", 1);
  await first.close();
  const second = open();
  const [claim] = await second.claim("writer", "second", 1);
  expect(claim?.delivery).toMatchObject({ id: delivery.id, attempts: [] });
  if (!lost) throw new Error("Nothing was claimed.");
  expect(await second.settle(lost, { state: "delivered", attempt, receipt })).toBeUndefined();
});

test("it is readable by its owner only", async () => {
  await open().accept(draftOf());
  expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(path.dirname(file))) {
    expect(statSync(path.join(path.dirname(file), name)).mode & 0o777, name).toBe(0o600);
  }
});

test("a second one on the same file is refused, and works once the first is closed", async () => {
  const first = open();
  await first.accept(draftOf());
  const second = open();
  const error = await failureOf(second.accept(draftOf()));
  expect(error).toMatchObject({ kind: "local", code: "SQLITE_5" });
  expect(error.message).toContain("another process uses it");
  await first.close();
  await second.accept(draftOf());
  expect(await idsOf(second)).toHaveLength(2);
});

test("a file of a newer version is left alone, and works again with the version that wrote it", async () => {
  const change = (sql: string) => {
    const driver = openSqlite(file);
    driver.exec(sql);
    driver.close();
  };
  const first = open();
  const { delivery } = await first.accept(draftOf());
  await first.close();
  change("insert into data_distribution_schema (version) values (99)");
  const older = open();
  const error = await failureOf(older.accept(draftOf()));
  expect(error).toMatchObject({ kind: "local" });
  expect(error.message).toMatch(/newer version of this package \(schema 99\)\. Install that version again/);
  await older.close();
  change("delete from data_distribution_schema where version = 99");
  expect(await idsOf(open())).toEqual([delivery.id]);
});

test.each([
  ["no SQLite file at all", () => writeFileSync(file, "This is a text. ".repeat(1_000))],
  ["overwritten in the middle", () => writeFileSync(file, Buffer.alloc(4_096, 7), { flag: "r+" })],
])("a file that is %s is set aside, with a notice", async (_what, damage) => {
  const first = open();
  for (let n = 0; n < 50; n++) await first.accept(draftOf());
  await first.close();
  damage();
  const second = open();
  const { delivery } = await second.accept(draftOf());
  expect(await idsOf(second)).toEqual([delivery.id]);
  expect(notices).toEqual([expect.stringContaining("is damaged. It was set aside as")]);
  expect(readdirSync(path.dirname(file)).filter((name) => name.includes(".damaged-"))).toHaveLength(1);
});

test("a file that is damaged while it is open is set aside, and nothing is acknowledged that is not kept", async () => {
  const store = open();
  // More than SQLite holds in memory.
  const message = { payload: "x".repeat(100_000) };
  await Promise.all(Array.from({ length: 100 }, () => store.accept(draftOf({ message }))));
  writeFileSync(`${file}-wal`, "");
  writeFileSync(file, Buffer.alloc(statSync(file).size, 7));
  const error = await failureOf(store.list({}));
  expect(error).toMatchObject({
    kind: "local",
    message: expect.stringMatching(/is damaged|not a SQLite file/),
  });
  const { delivery } = await store.accept(draftOf());
  expect(notices).toEqual([expect.stringContaining("is damaged. It was set aside as")]);
  await store.close();
  expect(await idsOf(open())).toEqual([delivery.id]);
});

test("a file that somebody removes is written again, with all that was in it", async () => {
  const store = open();
  const before = await store.accept(draftOf());
  for (const name of readdirSync(path.dirname(file))) rmSync(path.join(path.dirname(file), name));
  const after = await store.accept(draftOf());
  expect(existsSync(file)).toBe(true);
  expect(notices).toEqual([expect.stringContaining("has removed the delivery store")]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await store.close();
  expect(await idsOf(open())).toEqual([before.delivery.id, after.delivery.id]);
});

test("a file that is removed with its folder is written again, with all that was in it", async () => {
  const store = open();
  const before = await store.accept(draftOf());
  rmSync(path.dirname(file), { recursive: true });
  const after = await store.accept(draftOf());
  expect(notices).toEqual([expect.stringContaining("has removed the delivery store")]);
  expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
  await store.close();
  expect(readdirSync(path.dirname(file))).toEqual([path.basename(file)]);
  expect(await idsOf(open())).toEqual([before.delivery.id, after.delivery.id]);
});

test("a file that is removed without its log is written again, however much is in the log", async () => {
  const store = open();
  for (let n = 0; n < 300; n++) await store.accept(draftOf());
  rmSync(file);
  await store.accept(draftOf());
  expect((await store.counts()).queued).toBe(301);
  expect(notices).toEqual([expect.stringContaining("has removed the delivery store")]);
  await store.close();
  expect((await open().counts()).queued).toBe(301);
});

test("a copy that is put in the place of the file in use is what counts then", async () => {
  const store = open();
  await Promise.all(Array.from({ length: 200 }, () => store.accept(draftOf())));
  await store.close();
  copyFileSync(file, path.join(folder, "copy"));
  const again = open();
  await Promise.all(Array.from({ length: 200 }, () => again.accept(draftOf())));
  renameSync(path.join(folder, "copy"), file);
  expect((await again.counts()).queued).toBe(200);
  expect(notices).toEqual([expect.stringContaining("has put another file in the place")]);
});

test("a removed file that cannot be written again yet loses nothing until it can", async () => {
  const store = open();
  const before = await store.accept(draftOf());
  rmSync(path.dirname(file), { recursive: true });
  writeFileSync(path.dirname(file), "in the way");
  for (let n = 0; n < 2; n++) expect((await failureOf(store.accept(draftOf()))).kind).toBe("local");
  rmSync(path.dirname(file));
  const after = await store.accept(draftOf());
  await store.close();
  expect(await idsOf(open())).toEqual([before.delivery.id, after.delivery.id]);
});

test.each([
  ["an empty one", "", /has put another file in the place/],
  ["no SQLite file", "This is a text. ".repeat(1_000), /is damaged. It was set aside as/],
])(
  "a file in whose place somebody puts another, %s, is made ready for use",
  async (_what, content, notice) => {
    const store = open();
    await store.accept(draftOf());
    writeFileSync(path.join(folder, "other"), content);
    rmSync(`${file}-wal`);
    renameSync(path.join(folder, "other"), file);
    const drafts = Array.from({ length: 3 }, () => draftOf());
    await Promise.all(drafts.map((draft) => store.accept(draft)));
    expect(await idsOf(store)).toEqual(drafts.map(({ id }) => id));
    expect(notices.join()).toMatch(notice);
  },
);

test("a place where no file can be: nothing is acknowledged, and it works once it can", async () => {
  writeFileSync(path.join(folder, "data"), "in the way");
  const store = open();
  const error = await failureOf(store.accept(draftOf()));
  expect(error.kind).toBe("local");
  rmSync(path.join(folder, "data"));
  mkdirSync(path.join(folder, "data"));
  const { delivery } = await store.accept(draftOf());
  expect(await idsOf(store)).toEqual([delivery.id]);
});

test("a burst is kept with few writes to the disk, in order", async () => {
  const store = open();
  await store.accept(draftOf());
  const drafts = Array.from({ length: 1_000 }, () => draftOf());
  await Promise.all(drafts.map((draft) => store.accept(draft)));
  await store.close();
  const next = open();
  expect(await next.counts("writer")).toMatchObject({ queued: 1_001 });
  const claims = await next.claim("writer", "owner", 1_001);
  expect(claims.slice(1).map(({ delivery }) => delivery.id)).toEqual(drafts.map(({ id }) => id));
});
