import { describe, expect, test } from "vitest";
import { type FlowNode, useRuntime } from "./support/runtime";
import { ends, folderWriter } from "./support/servers";

const runtime = useRuntime();

describe.each([
  ["a file", {}],
  ["a store", { store: "store" }],
])("a run that has not ended, kept in %s", (_where, where) => {
  const store = { id: "store", type: "delivery-store", kind: "memory" };
  const deployed = (settings: object): FlowNode[] => [
    store,
    {
      id: "schedule",
      type: "delivery-schedule",
      cron: "* * * * * *",
      timeZone: "UTC",
      wires: [["out"]],
      ...where,
      ...settings,
    },
    ...ends("out"),
  ];
  const unknown = { schedule: { runId: "00000000-0000-4000-8000-000000000000" } };

  test("keeps the next waiting, through a deploy, until a message of it comes back", async () => {
    await runtime.load(deployed({ overlap: "wait" }));
    const first = await runtime.next("out");
    const { shape, fill } = await runtime.status("schedule", /^running since \d{4}-\d\d-\d\d \d\d:\d\d/);
    expect([shape, fill]).toEqual(["dot", "blue"]);
    await runtime.deploy(deployed({ overlap: "wait", topic: "again" }), "nodes");
    await runtime.status("schedule", /^running since /);
    for (const other of [{}, { schedule: 5 }, { schedule: { runId: {} } }, unknown]) {
      runtime.send("schedule", other);
    }
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(runtime.received("out")).toHaveLength(1);
    runtime.send("schedule", { payload: "done", schedule: first.schedule });
    const second = await runtime.next("out");
    expect(second).toMatchObject({ topic: "again", schedule: { reason: "due" } });
    expect(second.schedule.missed).toBe((second.payload - first.payload) / 1_000 - 1);
    expect(second.schedule.runId).not.toBe(first.schedule.runId);
    expect(runtime.logged().filter(({ level, id }) => level <= 30 && id === "schedule")).toEqual([]);
  });

  test("ends when what a writer has delivered of it comes back", async () => {
    const source = {
      id: "source",
      type: "delivery-data-source",
      kind: "text",
      text: "A report",
      fileName: "report.txt",
      wires: [["writer"]],
    };
    const writer = folderWriter({ root: runtime.folder, wires: [["schedule", "out"], ["schedule"]] });
    const [, timer, ...rest] = deployed({ overlap: "wait", wires: [["source"]] });
    await runtime.load([store, timer as FlowNode, source, writer, ...rest]);
    const runs = [];
    for (let n = 0; n < 3; n++) runs.push(await runtime.next("out"));
    expect(runs.map(({ delivery }) => delivery.state)).toEqual(["delivered", "delivered", "delivered"]);
    expect(new Set(runs.map(({ schedule: told }) => told.runId)).size).toBe(3);
  });

  test("has the next skipped, and is taken as ended after the limit; the log says both", async () => {
    await runtime.load(deployed({ overlap: "skip", overlapLimitMinutes: "0.1" }));
    const first = await runtime.next("out");
    const second = await runtime.next("out");
    expect(second.payload - first.payload).toBeGreaterThanOrEqual(6_000);
    expect(second.schedule.reason).toBe("due");
    const warned = runtime.logged().map(({ msg }) => String(msg));
    expect(warned).toContainEqual(expect.stringMatching(/has not ended: what is due meanwhile is skipped/));
    expect(warned).toContainEqual(expect.stringMatching(/it is taken as ended\.$/));
  });
});
