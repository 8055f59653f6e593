import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { describe, expect, test, vi } from "vitest";
import { createSpool } from "../../../src/lib";
import { temporaryFolder } from "./folder";

const hourMs = 60 * 60 * 1000;
const nothing = async () => new Map<string, number>();

function age(file: string, ms: number): void {
  const seconds = (Date.now() - ms) / 1000;
  utimesSync(file, seconds, seconds);
}

describe("pruning", () => {
  async function spoolWith(ages: Record<string, number>, limits: { maxAgeMs?: number; maxBytes?: number }) {
    const folder = path.join(temporaryFolder(), "spool");
    const spool = createSpool({ folder, ...limits });
    const digests: Record<string, string> = {};
    for (const [text, ageMs] of Object.entries(ages)) {
      const { sha256 } = await spool.put(Readable.from([text]));
      digests[text] = sha256;
      age(path.join(folder, sha256), ageMs);
    }
    const left = () => Object.keys(ages).filter((text) => existsSync(path.join(folder, digests[text] ?? "")));
    return { spool, folder, digests, left };
  }

  test("removes what is too old, but keeps what is wanted", async () => {
    const { spool, digests, left } = await spoolWith(
      { young: hourMs, old: 3 * hourMs, wanted: 30 * hourMs },
      { maxAgeMs: 2 * hourMs },
    );
    expect(await spool.prune(async () => new Map([[digests.wanted ?? "", Infinity]]))).toBe(1);
    expect(left()).toEqual(["young", "wanted"]);
  });

  test("removes the oldest of what is too much, but nothing of the last hour", async () => {
    const { spool, digests, left } = await spoolWith(
      {
        "a of 10 b.": 9 * hourMs,
        "b of 10 b.": 8 * hourMs,
        "c of 10 b.": 7 * hourMs,
        "d of 10 b.": 6 * hourMs,
        "e of 10 b.": 0,
      },
      { maxBytes: 35 },
    );
    expect(await spool.prune(async () => new Map([[digests["a of 10 b."] ?? "", Infinity]]))).toBe(2);
    expect(left()).toEqual(["a of 10 b.", "d of 10 b.", "e of 10 b."]);
  });

  test("counts from when it was needed last, both for age and for size", async () => {
    const ages = { early: 9 * hourMs, late: 9 * hourMs, never: 5 * hourMs };
    const neededAgo = async (digests: Record<string, string>, hours: Record<string, number>) =>
      new Map(Object.entries(hours).map(([text, ago]) => [digests[text] ?? "", Date.now() - ago * hourMs]));
    const aged = await spoolWith(ages, { maxAgeMs: 4 * hourMs });
    expect(await aged.spool.prune(() => neededAgo(aged.digests, { early: 4.5, late: 3 }))).toBe(2);
    expect(aged.left()).toEqual(["late"]);
    const sized = await spoolWith(ages, { maxBytes: 9 });
    expect(await sized.spool.prune(() => neededAgo(sized.digests, { early: 4, late: 3 }))).toBe(1);
    expect(sized.left()).toEqual(["early", "late"]);
  });

  test("asks what is needed only when something may have to go", async () => {
    const { spool } = await spoolWith({ young: hourMs }, { maxAgeMs: 2 * hourMs });
    const asked = vi.fn(nothing);
    expect(await spool.prune(asked)).toBe(0);
    expect(asked).not.toHaveBeenCalled();
  });

  test("never removes what was put a moment ago, however little is allowed", async () => {
    const { spool, left } = await spoolWith({ fresh: 0 }, { maxBytes: 0 });
    expect(await spool.prune(nothing)).toBe(0);
    expect(left()).toEqual(["fresh"]);
  });

  test("counts from the last put", async () => {
    const { spool, left } = await spoolWith({ again: 10 * hourMs }, { maxAgeMs: hourMs });
    await spool.put(Readable.from(["again"]));
    expect(await spool.prune(nothing)).toBe(0);
    expect(left()).toEqual(["again"]);
  });

  test("takes away what a killed process left more than a day ago, and nothing that is not its own", async () => {
    const { spool, folder } = await spoolWith({ x: 0 }, {});
    const names = ["dead.tmp", "busy.tmp", "README"];
    for (const name of names) writeFileSync(path.join(folder, name), "…");
    age(path.join(folder, "dead.tmp"), 25 * hourMs);
    age(path.join(folder, "README"), 1000 * hourMs);
    expect(await spool.prune(nothing)).toBe(1);
    expect(readdirSync(folder).filter((name) => names.includes(name))).toEqual(["README", "busy.tmp"]);
  });

  test("loses nothing that is put at the same time", async () => {
    const { spool } = await spoolWith({}, { maxAgeMs: hourMs });
    for (let round = 0; round < 20; round++) {
      const content = `round ${round % 3}`;
      const { sha256 } = await spool.put(Readable.from([content]));
      const [written] = await Promise.all([spool.put(Readable.from([content])), spool.prune(nothing)]);
      expect(await spool.has(sha256, written.size)).toBe(true);
    }
  });

  test.each([
    ["just before", async (has: () => Promise<boolean>) => ({ before: await has(), needed: nothing })],
    [
      "while it is found out what is needed",
      async (has: () => Promise<boolean>) => {
        const needed = async () => {
          expect(await has()).toBe(true);
          return nothing();
        };
        return { before: true, needed };
      },
    ],
  ])("leaves what somebody has looked for %s: he is about to need it", async (_, arrange) => {
    const { spool, digests, left } = await spoolWith({ old: 9 * hourMs }, { maxAgeMs: 2 * hourMs });
    const { before, needed } = await arrange(() => spool.has(digests.old ?? "", 3));
    expect(before).toBe(true);
    expect(await spool.prune(needed)).toBe(0);
    expect(left()).toEqual(["old"]);
  });

  test("of a folder that does not exist yet is nothing", async () => {
    expect(await createSpool({ folder: "/nowhere/spool" }).prune(nothing)).toBe(0);
  });
});
