import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteStore, type DeliveryStore } from "../../../src/lib";
import { openSqlite } from "../../../src/lib/store/sqlite/driver";
import { draftOf } from "./contract";

let folder: string;
let file: string;
let store: DeliveryStore;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "sqlite-room-"));
  file = path.join(folder, "deliveries.sqlite");
  store = createSqliteStore({ file });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Puts 10 MB into the file, and forgets all of it. */
async function fillAndForget(): Promise<void> {
  const error = { kind: "invalid" as const, message: "No.", retryable: false };
  const message = { payload: "x".repeat(100_000) };
  await Promise.all(
    Array.from({ length: 100 }, async () => {
      const { id, version } = await store.refuse(draftOf({ message }), error);
      await store.markAnnounced(id, version);
    }),
  );
  expect(await store.prune({ olderThanMs: 1e9, keep: 0 })).toBe(100);
}

const shrinks = () => expect.poll(() => statSync(file).size, { timeout: 15_000 }).toBeLessThan(5_000_000);

test("room that is not needed any more goes back to the disk", async () => {
  await fillAndForget();
  await shrinks();
  const { delivery } = await store.accept(draftOf());
  expect(await store.get(delivery.id)).toEqual(delivery);
});

test("also in a file of an earlier version, with all that is in it", async () => {
  const { delivery } = await store.accept(draftOf());
  await store.close();
  const driver = openSqlite(file);
  driver.exec("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM");
  expect(driver.all("PRAGMA auto_vacuum", [])).toEqual([{ auto_vacuum: 0 }]);
  driver.close();
  store = createSqliteStore({ file });
  await fillAndForget();
  expect(await store.get(delivery.id)).toEqual(delivery);
  await shrinks();
});
