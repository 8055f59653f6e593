import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { boolean, choice, number, type Row } from "./support/bad-values";
import { type FlowNode, useRuntime } from "./support/runtime";
import { ends } from "./support/servers";

const runtime = useRuntime();
const hourMs = 3_600_000;

const schedule = (settings: object = {}): FlowNode => ({
  id: "schedule",
  type: "delivery-schedule",
  cron: "* * * * * *",
  timeZone: "UTC",
  wires: [["out"]],
  ...settings,
});
/** Not due while a test runs: half a day from now. */
const farOff = (): string => {
  const then = new Date(Date.now() + 12 * hourMs);
  return `${then.getUTCMinutes()} ${then.getUTCHours()} * * *`;
};
const recordsFile = () => path.join(runtime.userFolder, "data-distribution", "schedules.json");
const recordsOf = async (): Promise<Record<string, { settledUntil: number }> | undefined> =>
  JSON.parse(await readFile(recordsFile(), "utf8").catch(() => "{}")).schedules;
/** It is written a second after the message. */
const patience = { timeout: 10_000 };

/** As if Node-RED had last run this schedule so long ago. */
async function remember(cron: string, agoMs: number): Promise<void> {
  const schedules = { schedule: { timetable: `${cron} UTC`, settledUntil: Date.now() - agoMs } };
  await mkdir(path.dirname(recordsFile()), { recursive: true });
  await writeFile(recordsFile(), JSON.stringify({ version: 1, schedules }));
}

test("sends at each second what it is for, and shows the next", async () => {
  await runtime.load([schedule({ topic: "report" }), ...ends("out")]);
  const first = await runtime.next("out");
  const second = await runtime.next("out");
  expect(first).toMatchObject({ topic: "report", schedule: { reason: "due" } });
  expect(first.payload % 1_000).toBe(0);
  expect(first.schedule.scheduledAt).toBe(new Date(first.payload).toISOString());
  expect(Date.parse(first.schedule.startedAt)).toBeGreaterThanOrEqual(first.payload);
  expect(Date.parse(first.schedule.next)).toBeGreaterThan(first.payload);
  expect(second.payload).toBeGreaterThan(first.payload);
  const { shape, fill } = await runtime.status("schedule", /^next \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?$/);
  expect([shape, fill]).toEqual(["ring", "green"]);
});

test("shows the next time in its zone", async () => {
  await runtime.load([schedule({ cron: "30 2 29 2 *", timeZone: "Asia/Kolkata" })]);
  await runtime.status("schedule", /^next \d{4}-02-29 02:30$/);
});

test("makes up for what was missed while Node-RED was down, once, also after a restart", async () => {
  const cron = farOff();
  runtime.nextLoad(() => remember(cron, 60 * hourMs));
  await runtime.load([schedule({ cron }), ...ends("out")]);
  const { payload, schedule: told } = await runtime.next("out");
  expect(told).toMatchObject({
    reason: "missed",
    missed: 2,
    next: new Date(payload + 24 * hourMs).toISOString(),
  });
  expect(payload).toBeLessThan(Date.now() - 11 * hourMs);
  await expect.poll(async () => (await recordsOf())?.schedule?.settledUntil, patience).toBe(payload);
  expect((await stat(recordsFile())).mode & 0o777).toBe(0o600);
  await runtime.deploy([schedule({ cron, topic: "changed" }), ...ends("out")], "nodes");
  await runtime.deploy([schedule({ cron, topic: "again" }), ...ends("out")], "full");
  await runtime.status("schedule", /^next /);
  expect(runtime.received("out")).toHaveLength(1);

  const kept = await readFile(recordsFile());
  runtime.nextLoad(async () => {
    await mkdir(path.dirname(recordsFile()), { recursive: true });
    await writeFile(recordsFile(), kept);
  });
  await runtime.load([schedule({ cron }), ...ends("out")]);
  await runtime.status("schedule", /^next /);
  expect(runtime.received("out")).toEqual([]);
});

test("makes up for each, or for none, as it is told", async () => {
  const cron = farOff();
  runtime.nextLoad(() => remember(cron, 24 * 5 * hourMs));
  await runtime.load([schedule({ cron, missed: "all", missedLimit: "2" }), ...ends("out")]);
  const [one, two] = [await runtime.next("out"), await runtime.next("out")];
  expect(two.payload - one.payload).toBe(24 * hourMs);
  const warned = runtime.logged().map(({ msg }) => String(msg));
  expect(warned).toContain("3 scheduled times were missed and passed over.");

  runtime.nextLoad(() => remember(cron, 60 * hourMs));
  await runtime.load([schedule({ cron, missed: "none" }), ...ends("out")]);
  await runtime.status("schedule", /^next /);
  expect(runtime.received("out")).toEqual([]);

  runtime.nextLoad(() => remember(cron, 60 * hourMs));
  await runtime.load([schedule({ cron, graceMinutes: "60" }), ...ends("out")]);
  await runtime.status("schedule", /^next /);
  expect(runtime.received("out")).toEqual([]);
});

test("paused, it sends nothing, and owes nothing afterwards", async () => {
  const cron = farOff();
  runtime.nextLoad(() => remember(cron, 60 * hourMs));
  await runtime.load([schedule({ cron, paused: true }), ...ends("out")]);
  await runtime.status("schedule", { fill: "yellow", shape: "ring", text: "paused" });
  await runtime.deploy([schedule({ cron }), ...ends("out")], "nodes");
  await runtime.status("schedule", /^next /);
  expect(runtime.received("out")).toEqual([]);
});

test.each([
  ["removed", []],
  ["disabled", [schedule({ d: true })]],
])("%s, it is forgotten", async (_what, without) => {
  await runtime.load([schedule(), ...ends("out")]);
  await runtime.next("out");
  await expect.poll(async () => Object.keys((await recordsOf()) ?? {}), patience).toEqual(["schedule"]);
  await runtime.deploy([...without, ...ends("out")], "full");
  await expect.poll(recordsOf, patience).toEqual({});
});

test("a deploy in between loses no second and sends none twice", async () => {
  await runtime.load([schedule(), ...ends("out")]);
  await runtime.next("out");
  for (const topic of ["a", "b", "c"]) {
    await runtime.deploy([schedule({ topic }), ...ends("out")], "nodes");
    await runtime.next("out");
  }
  await runtime.next("out");
  const messages = runtime.received("out");
  const times = messages.map(({ payload }) => payload as number);
  const span = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000;
  expect(new Set(times).size).toBe(times.length);
  const madeUpFor = messages.slice(1).reduce((sum, { schedule: told }) => sum + told.missed, 0);
  expect(times.length - 1 + madeUpFor).toBe(span);
});

test("a damaged file is set aside and told of, and the schedule runs", async () => {
  runtime.nextLoad(async () => {
    await mkdir(path.dirname(recordsFile()), { recursive: true });
    await writeFile(recordsFile(), '{"version":1,"sch');
  });
  await runtime.load([schedule(), ...ends("out")]);
  await runtime.next("out");
  const logged = runtime.logged().map(({ msg }) => String(msg));
  expect(logged).toContainEqual(expect.stringMatching(/schedules\.json is damaged, and was set aside/));
});

describe("kept in a store", () => {
  const store = { id: "store", type: "delivery-store", kind: "memory" };
  const kept = (settings: object = {}) => schedule({ store: "store", ...settings });

  test("each second comes once, deploys and all, and nothing is written of it elsewhere", async () => {
    await runtime.load([store, kept({ topic: "report" }), ...ends("out")]);
    const first = await runtime.next("out");
    expect(first).toMatchObject({ topic: "report", schedule: { reason: "due", missed: 0 } });
    expect(first.schedule.scheduledAt).toBe(new Date(first.payload).toISOString());
    await runtime.status("schedule", /^next \d{4}-\d\d-\d\d \d\d:\d\d/);
    for (const topic of ["a", "b"]) {
      await runtime.deploy([store, kept({ topic }), ...ends("out")], "nodes");
      await runtime.next("out");
    }
    await runtime.next("out");
    const messages = runtime.received("out");
    const times = messages.map(({ payload }) => payload as number);
    expect(new Set(times).size).toBe(times.length);
    const madeUpFor = messages.slice(1).reduce((sum, { schedule: told }) => sum + told.missed, 0);
    expect(times.length - 1 + madeUpFor).toBe((Math.max(...times) - Math.min(...times)) / 1_000);
    expect((await recordsOf()) ?? {}).toEqual({});
  });

  test("paused, it withdraws its next run, and owes nothing afterwards", async () => {
    await runtime.load([store, kept({ missed: "all" }), ...ends("out")]);
    await runtime.next("out");
    await runtime.deploy([store, kept({ missed: "all", paused: true }), ...ends("out")], "nodes");
    await runtime.status("schedule", { fill: "yellow", text: "paused" });
    const before = runtime.received("out").length;
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(runtime.received("out")).toHaveLength(before);
    await runtime.deploy([store, kept({ missed: "all" }), ...ends("out")], "nodes");
    await expect.poll(() => runtime.received("out").length, patience).toBeGreaterThan(before);
    expect(runtime.received("out")[before]?.schedule).toMatchObject({ reason: "due", missed: 0 });
  });

  test("a store that is not there is said in words", async () => {
    await runtime.load([schedule({ store: "nowhere" }), ...ends("out")]);
    await runtime.status("schedule", /^The chosen delivery store is missing or disabled/);
  });
});

const wrong: Row[] = [
  ["cron", "", /cron is missing/],
  ["cron", 5, /cron must be text/],
  ["cron", "* * *", /has 3 fields/],
  ["cron", "0 25 * * *", /hour cannot be "25"/],
  ["cron", "0 6 30 2 *", /never comes/],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how Node-RED writes environment variables
  ["cron", "${NOT_SET}", /cron: the environment variable NOT_SET is not set/],
  ["timeZone", "Mars/Olympus", /time zone "Mars\/Olympus" is not known/],
  ["topic", {}, /topic must be text/],
  ...choice("missed"),
  ...number("missedLimit", 0, 101, 1.5),
  ...number("graceMinutes"),
  ...number("jitterSeconds", 3_601),
  ...choice("overlap"),
  ...number("overlapLimitMinutes", 0),
  ...boolean("paused"),
];

test.each(wrong)(
  "%s: %j is shown in red and logged, and nothing is sent",
  async (setting, value, sentence) => {
    await runtime.load([schedule({ [setting]: value }), ...ends("out")]);
    const { fill } = await runtime.status("schedule", { fill: "red", shape: "ring" });
    expect(fill).toBe("red");
    const errors = runtime.logged().filter(({ level, id }) => level === 20 && id === "schedule");
    expect(errors).toHaveLength(1);
    expect(String((errors[0]?.msg as Error | undefined)?.message)).toMatch(sentence);
    expect(runtime.received("out")).toEqual([]);
  },
);

test("the dialog is told the next ten times, or what is wrong", async () => {
  await runtime.load([schedule()]);
  const ask = async (body: object) =>
    (await runtime.post("/delivery-schedule/preview", body)) as Record<string, unknown>;
  const { times, timeZone } = await ask({ cron: "30 2 * * *", timeZone: "Europe/Berlin" });
  expect(times).toHaveLength(10);
  expect(timeZone).toBe("Europe/Berlin");
  expect(Date.parse((times as string[])[0] ?? "")).toBeGreaterThan(Date.now());
  expect(await ask({ cron: "0 25 * * *" })).toEqual({
    problem: expect.stringMatching(/hour cannot be "25"/),
  });
  expect(await ask({ cron: "0 6 * * *", timeZone: "x" })).toEqual({
    problem: expect.stringMatching(/time zone "x"/),
  });
  for (const body of [{}, [], { cron: 5 }, { cron: { a: 1 }, timeZone: [] }]) {
    expect(await ask(body)).toEqual({ problem: expect.stringMatching(/cron expression is missing/) });
  }
});
