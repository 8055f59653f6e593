import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createScheduleRecords } from "../../../src/lib";

const record = { timetable: "@daily UTC", settledUntil: 1_764_000_000_000 };
let folder: string;
let file: string;
let notices: string[];
const open = (writeAfterMs = 5) =>
  createScheduleRecords({ file, writeAfterMs, onNotice: (notice) => notices.push(notice) });

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "schedules-"));
  file = path.join(folder, "data", "schedules.json");
  notices = [];
});
afterEach(async () => {
  expect((await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  await rm(folder, { recursive: true });
});

describe("what schedules did last", () => {
  test("is there in the next life, readable by its owner only", async () => {
    const records = open();
    records.set("a", record);
    records.set("__proto__", { ...record, settledUntil: 2 });
    records.set("gone", record);
    records.remove("gone");
    expect(await records.get("a")).toEqual(record);
    await records.flush();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
    const next = open();
    expect(await next.get("a")).toEqual(record);
    expect(await next.get("__proto__")).toEqual({ ...record, settledUntil: 2 });
    expect(await next.get("gone")).toBeUndefined();
    next.remove("a");
    await next.flush();
    expect(await open().get("a")).toBeUndefined();
    expect(await readdir(path.dirname(file))).toEqual(["schedules.json"]);
    expect(notices).toEqual([]);
  });

  test("is written soon, without being asked", async () => {
    open().set("a", record);
    await expect.poll(() => readFile(file, "utf8").catch(() => "")).toContain("@daily UTC");
  });

  test("a hundred changes are few writes, and the last holds", async () => {
    const records = open(20);
    for (let n = 1; n <= 100; n++) records.set("a", { ...record, settledUntil: n });
    const [, seen] = await Promise.all([records.flush(), records.get("a")]);
    expect(seen?.settledUntil).toBe(100);
    expect((await open().get("a"))?.settledUntil).toBe(100);
  });

  test("without a file, it lasts as long as the process", async () => {
    const records = createScheduleRecords();
    records.set("a", record);
    await records.flush();
    expect(await records.get("a")).toEqual(record);
    records.remove("a");
    expect(await records.get("a")).toBeUndefined();
  });

  test.each([
    ["cut off", '{"version":1,"schedules":{"a":{"timeta'],
    ["empty", ""],
    ["of another kind", "[]"],
    ["of another version", '{"version":2,"schedules":{}}'],
    ["with a time that is none", '{"version":1,"schedules":{"a":{"timetable":"x","settledUntil":"soon"}}}'],
    ["with nothing for a record", '{"version":1,"schedules":{"a":null}}'],
  ])("a file that is %s is set aside, and said so", async (_what, content) => {
    await mkdir(path.dirname(file));
    await writeFile(file, content);
    const records = open();
    expect(await records.get("a")).toBeUndefined();
    records.set("a", record);
    await records.flush();
    expect(await open().get("a")).toEqual(record);
    const aside = (await readdir(path.dirname(file))).filter((name) => name.includes(".damaged-"));
    expect(aside).toHaveLength(1);
    expect(await readFile(path.join(path.dirname(file), aside[0] ?? ""), "utf8")).toBe(content);
    expect(notices).toEqual([expect.stringMatching(/is damaged, and was set aside as .*damaged-/)]);
  });

  test("a file that cannot be written is said once, kept in memory, and written when it can be", async () => {
    // Whatever the rights, nobody can make a folder where a file is.
    await writeFile(path.dirname(file), "");
    const records = open();
    records.set("a", record);
    await records.flush();
    records.set("b", record);
    await records.flush();
    expect(await records.get("a")).toEqual(record);
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/cannot be kept.*a restart may miss or repeat/);
    await rm(path.dirname(file));
    await records.flush();
    expect(await open().get("a")).toEqual(record);
    expect(await open().get("b")).toEqual(record);
  });

  test("a file that cannot be read is not overwritten", async () => {
    await mkdir(file, { recursive: true });
    const records = open();
    expect(await records.get("a")).toBeUndefined();
    records.set("b", record);
    await records.flush();
    expect(notices[0]).toMatch(/cannot be read: EISDIR/);
    expect((await stat(file)).isDirectory()).toBe(true);
    await rm(file, { recursive: true });
    await writeFile(file, JSON.stringify({ version: 1, schedules: { a: record } }));
    await chmod(file, 0o600);
    expect(await records.get("a")).toEqual(record);
    await records.flush();
    expect(await open().get("a")).toEqual(record);
    expect(await open().get("b")).toEqual(record);
  });
});
