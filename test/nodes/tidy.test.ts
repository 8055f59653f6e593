import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, expect, test } from "vitest";
import { createMemoryStore, createSpool, type DeliveryStore, type SourceSpec } from "../../src/lib";
import { cleanSpools } from "../../src/nodes/shared/engine";
import { createSharedSpool } from "../../src/nodes/store/shared-spool";
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

test("of a folder that two stores share, each tidies what is its own", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "tidy-"));
  folders.push(folder);
  const limits = { ageMs: hourMs, bytes: 1_000, deliveries: 10 };
  const own = { store: createMemoryStore(), spool: createSpool({ folder: "/nowhere" }), keepSource };
  const connect = () => expect.fail("There is no bucket.");
  const engineOn = (store: DeliveryStore) => ({
    store,
    spool: createSharedSpool({ in: "folder", folder }, store, { own, limits, connect }),
  });
  const [one, other] = [engineOn(createMemoryStore()), engineOn(createMemoryStore())];
  const written = await one.spool.put(Readable.from(["needed by one of them"]));
  await other.spool.put(Readable.from(["needed by none"]));
  await one.store.accept(draftOf({ source: { kind: "spool", name: "n", ...written } }));
  const filesOf = async ({ store }: typeof one) => {
    const own = path.join(folder, "data-distribution", await store.agree("identity", ""));
    const contents = (await readdir(own)).filter((name) => !name.startsWith("mark-"));
    return contents.map((name) => path.join(own, name));
  };
  const then = new Date(Date.now() - 2 * hourMs);
  for (const file of [...(await filesOf(one)), ...(await filesOf(other))]) await utimes(file, then, then);
  await cleanSpools([other]);
  expect([await filesOf(one), await filesOf(other)].map((files) => files.length)).toEqual([1, 0]);
  // In another Node-RED the same store has the same part, whatever it calls the folder.
  const again = createSharedSpool({ in: "folder", folder: `${folder}/` }, one.store, {
    own,
    limits,
    connect,
  });
  await cleanSpools([{ ...one, spool: again }]);
  expect(await again.has(written.sha256, written.size)).toBe(true);
});

const keepSource = async (source: SourceSpec) => source;
