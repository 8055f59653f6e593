import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { createMemoryStore, createSpool } from "../../src/lib";
import { tidy } from "../../src/nodes/shared/engine";
import { attempt, draftOf, receipt } from "../lib/store/contract";

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

test("what waits, and what is still to be told, keeps its content in the spool; the rest goes", async () => {
  folders.push(await mkdtemp(path.join(tmpdir(), "tidy-")));
  const spool = createSpool({ folder: path.join(folders[0] ?? "", "spool"), maxAgeMs: 1 });
  const store = createMemoryStore();
  const large = async (text: string) => {
    const { sha256 } = await spool.put(Readable.from([text]));
    return [{ path: ["payload"], type: "text", sha256 }];
  };
  const accept = async (name: string) => {
    const { sha256, size } = await spool.put(Readable.from([`source of ${name}`]));
    const message = { message: {}, large: await large(`payload of ${name}`), property: "delivery" };
    await store.accept(draftOf({ source: { kind: "spool", name, size, sha256 }, message }));
    return { source: sha256, payload: message.large[0]?.sha256 ?? "" };
  };
  const kept = { told: await accept("told"), untold: await accept("untold") };
  const claims = await store.claim("writer", "owner", 2);
  for (const { lease, delivery } of claims) {
    const settled = await store.settle(lease, { state: "delivered", attempt, receipt });
    if (delivery.source.name === "told") await store.markAnnounced(delivery.id, settled?.version ?? 0);
  }
  const waiting = await accept("waiting");
  await sleep(20);
  await tidy([store], spool);
  const there = async (sha256: string) => spool.has(sha256);
  expect(await Promise.all([kept.untold.source, kept.untold.payload].map(there))).toEqual([true, true]);
  expect(await Promise.all([waiting.source, waiting.payload].map(there))).toEqual([true, true]);
  expect(await Promise.all([kept.told.source, kept.told.payload].map(there))).toEqual([false, false]);
});
