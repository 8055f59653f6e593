import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type FtpBench, ftpBench, on } from "./ftp-bench";

const stale = `.${"a".repeat(32)}.part`;
const hoursMs = 60 * 60 * 1000;

async function putOld(bench: FtpBench, name: string, ageMs: number): Promise<void> {
  await bench.disk.put(name, Buffer.from("left behind"));
  const at = new Date(Date.now() - ageMs);
  await utimes(join(bench.server.root, name), at, at);
}

test("temporary files of ours that nobody wrote to for a day go with the next delivery to their folder", async () => {
  const bench = await ftpBench();
  const others = ["report.part", ".hidden", `.${"a".repeat(31)}.part`, `.${"a".repeat(32)}.old`, "old.csv"];
  for (const name of [stale, ...others]) await putOld(bench, `in/${name}`, 25 * hoursMs);
  await putOld(bench, `in/.${"b".repeat(32)}.part`, 23 * hoursMs);
  await putOld(bench, `elsewhere/${stale}`, 25 * hoursMs);
  await bench.deliver("new", "in/a.txt");
  const left = ["a.txt", `.${"b".repeat(32)}.part`, ...others].map((name) => `in/${name}`);
  expect((await bench.disk.list()).sort()).toEqual([...left, `elsewhere/${stale}`].sort());
});

test("a folder is looked through once a day, and another one not within a minute", async () => {
  const bench = await ftpBench();
  for (const target of ["in/a.txt", "in/b.txt", "other/a.txt"]) await bench.deliver("new", target);
  const looks = bench.commands().filter((command) => command.startsWith("MLSD"));
  expect(looks).toEqual(["MLSD /in"]);
});

test.each([{ reply: "550 Not for you." }, { drop: "before" }, { drop: "after" }] as const)(
  "MLSD fails (%o): that is no concern of the delivery",
  async (injection) => {
    const bench = await ftpBench();
    await putOld(bench, stale, 25 * hoursMs);
    bench.server.hook = on("MLSD", injection);
    expect((await bench.deliver("new", "a.txt")).notes).toEqual([]);
    expect((await bench.deliver("new", "b.txt")).notes).toEqual([]);
  },
);

test("without a temporary name there is nothing to look for", async () => {
  const bench = await ftpBench({ writer: { temporaryName: false } });
  await bench.deliver("new", "a.txt");
  expect(bench.commands().join()).not.toContain("MLSD");
});
