import { copyFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteStore, type DeliveryStore } from "../../../src/lib";
import { failureOf } from "../sources/folder";
import { attempt, draftOf, receipt } from "./contract";

let folder: string;
let file: string;
const stores: DeliveryStore[] = [];
const threads: Worker[] = [];
const note = (thread: Worker) => threads.push(thread);

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "sqlite-claims-"));
  file = path.join(folder, "deliveries.sqlite");
  process.on("worker", note);
});
afterEach(async () => {
  process.off("worker", note);
  for (const store of stores.splice(0)) await store.close();
  threads.splice(0);
  rmSync(folder, { recursive: true, force: true });
});

function open(): DeliveryStore {
  const store = createSqliteStore({ file });
  stores.push(store);
  return store;
}

/** The thread dies when it has done what comes next and not yet said so. */
function dieBeforeAnswer(wanted: (sql: string) => boolean): void {
  const thread = threads.at(-1) as Worker;
  const { emit, postMessage } = thread;
  let dies = false;
  thread.postMessage = (message: { statements?: { sql: string }[] }) => {
    dies ||= message.statements?.some(({ sql }) => wanted(sql)) ?? false;
    postMessage.call(thread, message);
  };
  thread.emit = (event: string | symbol, ...parts: unknown[]) => {
    if (event === "message" && dies) {
      void thread.terminate();
      return true;
    }
    return emit.call(thread, event, ...parts);
  };
}

const updates = (sql: string) => sql.startsWith("update");

test("a claim whose answer is lost is free again, while what is being sent stays with its sender", async () => {
  const store = open();
  const sent = (await store.accept(draftOf())).delivery;
  const [held] = await store.claim("writer", "owner", 1);
  const lost = (await store.accept(draftOf())).delivery;
  dieBeforeAnswer(updates);
  expect((await failureOf(store.claim("writer", "owner", 1))).kind).toBe("local");
  const claims = await store.claim("writer", "owner", 9);
  expect(claims.map(({ delivery }) => delivery.id)).toEqual([lost.id]);
  expect(claims[0]?.delivery).toMatchObject({ begun: 2, attempts: [] });
  if (!held) throw new Error("Nothing was claimed.");
  expect(await store.settle(held, { state: "delivered", attempt, receipt })).toMatchObject({
    id: sent.id,
    state: "delivered",
  });
});

test("what was accepted when the answer got lost is acknowledged once, and kept once", async () => {
  const store = open();
  await store.accept(draftOf());
  dieBeforeAnswer((sql) => sql.startsWith("insert"));
  const draft = draftOf({ onceKey: "today" });
  expect(await store.accept(draft)).toMatchObject({ duplicate: false, delivery: { id: draft.id } });
  expect(await store.counts()).toMatchObject({ queued: 2 });
});

test("of an older file that is put in place, what was being sent then is sent again", async () => {
  const first = open();
  const { delivery } = await first.accept(draftOf());
  await first.claim("writer", "a process that is no more", 1);
  await first.close();
  copyFileSync(file, `${file}.backup`);

  const store = open();
  const [claim] = await store.claim("writer", "owner", 1);
  if (!claim) throw new Error("Nothing was claimed.");
  await store.settle(claim, { state: "delivered", attempt, receipt });
  const running = await store.accept(draftOf()).then(() => store.claim("writer", "owner", 1));
  rmSync(`${file}-wal`, { force: true });
  renameSync(`${file}.backup`, file);
  const again = await store.claim("writer", "owner", 9);
  expect(again.map(({ delivery: { id } }) => id)).toEqual([delivery.id]);
  // What only the other file knew of cannot be settled any more.
  const held = running[0] ?? claim;
  expect(await store.settle(held, { state: "delivered", attempt, receipt })).toBeUndefined();
});

test("a backup made while it was sent leaves the delivery with its sender", async () => {
  const store = open();
  await store.accept(draftOf());
  const [claim] = await store.claim("writer", "owner", 1);
  if (!claim) throw new Error("Nothing was claimed.");
  await store.close();
  copyFileSync(file, `${file}.backup`);
  // The closed store opens its file again at the next use.
  await store.accept(draftOf());
  rmSync(`${file}-wal`, { force: true });
  renameSync(`${file}.backup`, file);
  expect(await store.claim("writer", "another", 9)).toEqual([]);
  expect(await store.settle(claim, { state: "delivered", attempt, receipt })).toMatchObject({
    state: "delivered",
  });
});
