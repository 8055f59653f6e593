import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSqliteStore, type DeliveryStore } from "../../src/lib";
import { failureOf } from "../lib/sources/folder";
import { attempt, draftOf, receipt } from "../lib/store/contract";
import { canMount, mountSmallDisk, type SmallDisk } from "../support/small-disk";

let folder: string;
let file: string;
let disk: SmallDisk;
const stores: DeliveryStore[] = [];

function open(): DeliveryStore {
  const store = createSqliteStore({ file });
  stores.push(store);
  return store;
}

/** Accepts until the store says no. Returns what it has said yes to, and the error. */
async function acceptAll(store: DeliveryStore) {
  const ids: string[] = [];
  const message = { payload: "x".repeat(50_000) };
  for (;;) {
    const draft = draftOf({ message });
    try {
      await store.accept(draft);
      ids.push(draft.id);
    } catch (error) {
      return { ids, error };
    }
    expect(ids.length, "accepted").toBeLessThan(1_000);
  }
}

const idsOf = async (store: DeliveryStore) =>
  (await store.list({}, { limit: 1_000 })).deliveries.map(({ id }) => id).reverse();

describe.runIf(canMount())("a SQLite store on a disk", () => {
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "small-disk-"));
    disk = mountSmallDisk(folder, 8);
    file = path.join(folder, "deliveries.sqlite");
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    disk.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("that is full takes nothing and says so, keeps what it has taken, and goes on when there is room", async () => {
    const store = open();
    const before = (await store.accept(draftOf())).delivery;
    const [claim] = await store.claim("writer", "owner", 1);
    if (!claim) throw new Error("Nothing was claimed.");
    disk.fill();
    const { ids, error } = await acceptAll(store);
    expect(error).toMatchObject({ kind: "local", code: "SQLITE_13" });
    expect((error as Error).message).toMatch(/cannot be used: the disk is full\. Make room\.$/);
    disk.makeRoom();
    expect(await idsOf(store)).toEqual([before.id, ...ids]);
    const after = (await store.accept(draftOf())).delivery;
    // What was being sent all the time is still its sender's.
    expect(await store.settle(claim, { state: "delivered", attempt, receipt })).toMatchObject({
      state: "delivered",
    });
    await store.close();
    expect(await idsOf(open())).toEqual([before.id, ...ids, after.id]);
  });

  test("that is full from the start works when there is room", async () => {
    disk.fill();
    const store = open();
    expect((await failureOf(store.accept(draftOf()))).kind).toBe("local");
    expect((await failureOf(store.claim("writer", "owner", 1))).kind).toBe("local");
    disk.makeRoom();
    const { delivery } = await store.accept(draftOf());
    expect(await idsOf(store)).toEqual([delivery.id]);
  });

  test("that is read-only takes nothing and says so, and goes on when it can be written", async () => {
    const store = open();
    const { delivery } = await store.accept(draftOf());
    await store.close();
    disk.protect(true);
    const error = await failureOf(store.accept(draftOf()));
    expect(error.kind).toBe("local");
    expect(error.message).toMatch(/deliveries\.sqlite cannot be used: .*read-only/);
    disk.protect(false);
    const after = (await store.accept(draftOf())).delivery;
    expect(await idsOf(store)).toEqual([delivery.id, after.id]);
  });
});
