import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { provideRuntime, runtimeNames } from "../support/runtimes";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const flow: FlowNode[] = [
  { id: "tab", type: "tab", label: "schedule" },
  {
    id: "schedule",
    type: "delivery-schedule",
    z: "tab",
    cron: "* * * * * *",
    timeZone: "America/New_York",
    missed: "all",
    missedLimit: "100",
    wires: [["out"]],
  },
  {
    id: "guarded",
    type: "delivery-schedule",
    z: "tab",
    cron: "* * * * * *",
    timeZone: "UTC",
    overlap: "wait",
    wires: [["run"]],
  },
  { id: "run", type: "debug", z: "tab", active: false, complete: "true", targetType: "full", wires: [] },
  { id: "end", type: "http in", z: "tab", url: "/end", method: "get", wires: [["of", "answer"]] },
  {
    id: "of",
    type: "function",
    z: "tab",
    func: "return { schedule: { runId: msg.payload.run } };",
    outputs: 1,
    wires: [["guarded"]],
  },
  { id: "answer", type: "http response", z: "tab", wires: [] },
  { id: "out", type: "debug", z: "tab", active: false, complete: "true", targetType: "full", wires: [] },
];

interface Told {
  payload: number;
  schedule: { runId: string; reason: string; missed: number };
}

const toldBy = (nodeRed: NodeRedProcess, at = "out") => nodeRed.messages(at) as unknown as Told[];
const secondOf = ({ payload }: Told) => payload / 1_000;

describe.each(runtimeNames)("%s", (name) => {
  test("a kill loses no second, has only those of the last moment come twice, and ends no run", async () => {
    const runtime = await provideRuntime(name);
    const userDir = await mkdtemp(join(tmpdir(), "schedule-"));
    cleanups.push(() => rm(userDir, { recursive: true, force: true }));
    const start = async (flows?: FlowNode[]) => {
      const nodeRed = await startNodeRed({ runtime, userDir, ...(flows && { flows }) });
      cleanups.push(() => nodeRed.kill());
      return nodeRed;
    };
    const first = await start(flow);
    await first.until("five messages", () => toldBy(first)[4], 30_000);
    await first.kill();
    await sleep(3_000);
    const second = await start();
    await second.until("a message that is due", () =>
      toldBy(second).find(({ schedule }) => schedule.reason === "due"),
    );
    const [before, after] = [toldBy(first).map(secondOf), toldBy(second).map(secondOf)];
    const all = [...new Set([...before, ...after])].sort((one, other) => one - other);
    const [oldest = 0, newest = 0] = [all[0], all.at(-1)];
    expect(all).toEqual(Array.from({ length: newest - oldest + 1 }, (_, n) => oldest + n));
    const twice = after.filter((second) => before.includes(second));
    const killedIn = before.at(-1) ?? 0;
    // What was sent is on the disk a second later, and a write may wait for the one before it.
    for (const second of twice) expect(killedIn - second).toBeLessThanOrEqual(3);
    expect(toldBy(second)[0]?.schedule).toMatchObject({ reason: "missed", missed: 1 });

    // The run that was under way is known, and the next still waits for it.
    const [run] = toldBy(first, "run");
    expect([toldBy(first, "run").length, toldBy(second, "run")]).toEqual([1, []]);
    expect(second.status("guarded")?.text).toMatch(/^running since /);
    const answer = await fetch(`${second.url}/http/end?run=${run?.schedule.runId}`);
    expect(answer.status).toBe(200);
    const next = await second.until("the next run", () => toldBy(second, "run")[0]);
    // No more than a hundred are counted.
    const between = secondOf(next) - secondOf(run as Told) - 1;
    expect(next.schedule.missed).toBe(Math.min(100, between));
    await second.stop();
  });
});
