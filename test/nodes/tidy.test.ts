import { existsSync } from "node:fs";
import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, expect, test } from "vitest";
import { createMemoryStore, createSpool, type SourceSpec } from "../../src/lib";
import { cleanSpools } from "../../src/nodes/shared/engine";
import { createEngine, readSettings } from "../../src/nodes/store/settings";
import { attempt, draftOf, receipt } from "../lib/store/contract";

const hourMs = 3_600_000;
const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

test("content stays while it is needed, and then for a while, longer than that of no delivery", async () => {
  const folder = path.join(await mkdtemp(path.join(tmpdir(), "tidy-")), "spool");
  folders.push(folder);
  const spool = createSpool({ folder, maxAgeMs: 10 * hourMs });
  let nowMs = Date.now() - 20 * hourMs;
  const store = createMemoryStore({ now: () => nowMs });
  const put = async (text: string) => {
    const written = await spool.put(Readable.from([text]));
    const at = new Date(nowMs);
    await utimes(path.join(folder, written.sha256), at, at);
    return written;
  };
  const accept = async (name: string) => {
    const written = await put(`source of ${name}`);
    const payload = await put(`payload of ${name}`);
    const large = [{ path: ["payload"], type: "text", sha256: payload.sha256 }];
    const message = { message: {}, large, property: "delivery" };
    await store.accept(draftOf({ source: { kind: "spool", name, ...written }, message }));
    return [written.sha256, payload.sha256];
  };
  const end = async (announced: boolean) => {
    const [claim] = await store.claim("writer", "owner", 1);
    if (!claim) throw new Error("Nothing was due.");
    const settled = await store.settle(claim, { state: "delivered", attempt, receipt });
    if (announced) await store.markAnnounced(claim.delivery.id, settled?.version ?? 0);
  };
  const early = await accept("early");
  await end(true);
  const untold = await accept("untold");
  await end(false);
  const late = await accept("late");
  const waiting = await accept("waiting");
  const nobodys = [(await put("of no delivery")).sha256];
  nowMs = Date.now() - 5 * hourMs;
  await end(true);

  const left = () => {
    const all = { early, untold, late, waiting, nobodys };
    return Object.entries(all).flatMap(([name, digests]) => {
      // Asking the spool would make it keep them.
      const there = digests.map((sha256) => existsSync(path.join(folder, sha256)));
      expect(new Set(there).size, name).toBe(1);
      return there[0] ? [name] : [];
    });
  };
  await cleanSpools([{ store, spool }]);
  expect(left()).toEqual(["untold", "late", "waiting"]);
  // What the store has forgotten is not needed any more.
  nowMs = Date.now();
  await store.prune({ olderThanMs: hourMs, keep: 10 });
  await cleanSpools([{ store, spool }]);
  expect(left()).toEqual(["untold", "waiting"]);
});

test("while it looks through many deliveries, others have their turns", async () => {
  const folder = path.join(await mkdtemp(path.join(tmpdir(), "tidy-")), "spool");
  folders.push(folder);
  const spool = createSpool({ folder, maxAgeMs: hourMs });
  const { sha256 } = await spool.put(Readable.from(["old"]));
  const at = new Date(Date.now() - 2 * hourMs);
  await utimes(path.join(folder, sha256), at, at);
  const memory = createMemoryStore();
  for (let n = 0; n < 100; n++) await memory.accept(draftOf());
  let turn = 0;
  let over = false;
  const take = () => {
    turn++;
    if (!over) setImmediate(take);
  };
  take();
  const turnsOfPages: number[] = [];
  const list: typeof memory.list = (...request) => {
    turnsOfPages.push(turn);
    return memory.list(...request);
  };
  await cleanSpools([{ store: { ...memory, list }, spool }]);
  over = true;
  expect(await spool.has(sha256)).toBe(false);
  expect(turnsOfPages.length).toBeGreaterThanOrEqual(10);
  expect(new Set(turnsOfPages).size).toBe(turnsOfPages.length);
});

test("content in a folder that two stores share stays while either needs it", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "tidy-"));
  folders.push(folder);
  const limits = { ageMs: hourMs, bytes: 1_000, deliveries: 10 };
  const spools = [folder, `${folder}/`].map((spoolFolder) => {
    const settings = readSettings({
      kind: "postgresql",
      host: "127.0.0.1",
      database: "d",
      user: "u",
      spoolFolder,
    });
    const own = { store: createMemoryStore(), spool: createSpool({ folder: "/nowhere" }), keepSource };
    return createEngine(settings, { own, limits, onNotice: () => {} }).spool;
  });
  const engines = spools.map((spool) => ({ spool, store: createMemoryStore() }));
  const needed: string[] = [];
  for (const [at, { spool, store }] of engines.entries()) {
    const written = await spool.put(Readable.from([`of store ${at}`]));
    const then = new Date(Date.now() - 2 * hourMs);
    const file = path.join(folder, "data-distribution", written.sha256);
    await utimes(file, then, then);
    await store.accept(draftOf({ source: { kind: "spool", name: "n", ...written } }));
    needed.push(file);
  }
  await cleanSpools(engines);
  expect(needed.map((file) => existsSync(file))).toEqual([true, true]);
});

const keepSource = async (source: SourceSpec) => source;
