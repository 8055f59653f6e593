import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createScheduleRecords,
  openTimetable,
  readScheduleOptions,
  type ScheduledStart,
  type ScheduleRecords,
  type Scheduler,
  startScheduler,
} from "../../../src/lib";

const morning = Date.parse("2026-11-24T06:00:00Z");
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let records: ScheduleRecords;
let starts: ScheduledStart[];
let notices: string[];
let running: (number | undefined)[];
let scheduler: Scheduler;

// As in the tests of the scheduler: the clock and the timers are all that it knows of the world.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: morning - 1_000 });
  records = createScheduleRecords();
  [starts, notices, running] = [[], [], []];
});
afterEach(async () => {
  await scheduler.close();
  vi.useRealTimers();
});

async function start(settings: object): Promise<void> {
  const options = readScheduleOptions({ cron: "0 * * * *", timeZone: "UTC", ...settings });
  scheduler = startScheduler({
    id: "a",
    timetable: await openTimetable(options),
    options,
    records,
    run: (run) => starts.push(run),
    onRunning: (since) => running.push(since),
    onNotice: (notice) => notices.push(notice),
  });
  await pass(0);
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const hours = () => starts.map(({ scheduledAt }) => (scheduledAt - morning) / hourMs);
const idOf = (run: number) => starts[run]?.runId ?? "";
const limit = { overlapLimitMs: 48 * hourMs };

describe("when the last run has not ended", () => {
  test("a schedule without a rule starts all the same, and nothing has to end", async () => {
    await start({});
    await pass(3 * hourMs);
    expect(hours()).toEqual([0, 1, 2]);
    expect(await scheduler.ended(idOf(0))).toBe(false);
    expect(running).toEqual([]);
    expect(await records.get("a")).not.toHaveProperty("running");
  });

  test("the next waits, and one run starts at its end for all that came meanwhile", async () => {
    await start({ overlap: "wait", missed: "none", ...limit });
    await pass(4 * hourMs + 30 * minuteMs);
    expect(hours()).toEqual([0]);
    expect(await scheduler.ended(idOf(0))).toBe(true);
    expect(starts).toHaveLength(2);
    expect(starts[1]).toMatchObject({
      ...{ scheduledAt: morning + 4 * hourMs, reason: "missed", missed: 4, next: morning + 5 * hourMs },
      startedAt: morning + 4 * hourMs + 30 * minuteMs - 1_000,
    });
    await scheduler.ended(idOf(1));
    await pass(31 * minuteMs);
    expect(starts[2]).toMatchObject({ scheduledAt: morning + 5 * hourMs, reason: "due", missed: 0 });
    expect(notices).toEqual([]);
    expect(running).toEqual([0, 1, 2].flatMap((n) => [starts[n]?.startedAt, undefined]).slice(0, -1));
  });

  test("the next is skipped, which is told of once for each run", async () => {
    await start({ overlap: "skip", ...limit });
    await pass(3 * hourMs);
    expect(hours()).toEqual([0]);
    const sentence = (time: string) =>
      `The run that was started at 2026-11-24T${time}.000Z has not ended: what is due meanwhile is skipped.`;
    expect(notices).toEqual([sentence("06:00:00")]);
    await scheduler.ended(idOf(0));
    await pass(3 * hourMs);
    expect(starts[1]).toMatchObject({ scheduledAt: morning + 3 * hourMs, reason: "due", missed: 0 });
    expect(notices).toEqual([sentence("06:00:00"), sentence("09:00:00")]);
  });

  test("what ends in time changes nothing", async () => {
    await start({ overlap: "skip" });
    for (let hour = 0; hour < 3; hour++) {
      await pass(hour === 0 ? 1_000 : hourMs);
      await scheduler.ended(idOf(hour));
    }
    expect(hours()).toEqual([0, 1, 2]);
    expect(notices).toEqual([]);
  });

  test("only its own end counts", async () => {
    await start({ overlap: "wait" });
    await pass(1_000);
    for (const id of ["", "a", "00000000-0000-4000-8000-000000000000"]) {
      expect(await scheduler.ended(id)).toBe(false);
    }
    await pass(90 * minuteMs);
    expect(hours()).toEqual([0]);
  });

  test.each([
    ["wait", [0, 2]],
    ["skip", [0, 2]],
  ])("it is taken as ended after its limit, which is told of: %s", async (overlap, expected) => {
    await start({ overlap });
    await pass(2 * hourMs + minuteMs);
    expect(hours()).toEqual(expected);
    expect(notices).toContain(
      "Nobody has said in time that the run that was started at 2026-11-24T06:00:00.000Z has ended: it is taken as ended.",
    );
  });

  test("all that was missed while nobody was there is one run, too", async () => {
    records.set("a", { timetable: "0 * * * * UTC", settledUntil: morning - 5 * hourMs });
    await start({ overlap: "wait", missed: "all" });
    expect(starts).toMatchObject([{ scheduledAt: morning - hourMs, reason: "missed", missed: 4 }]);
  });

  test("a run that nobody could be handed is none", async () => {
    const options = readScheduleOptions({ cron: "0 * * * *", timeZone: "UTC", overlap: "wait" });
    let runs = 0;
    scheduler = startScheduler({
      ...{ id: "a", timetable: await openTimetable(options), options, records },
      run: () => {
        runs++;
        throw new Error("the flow is gone");
      },
    });
    await pass(90 * minuteMs);
    expect(runs).toBe(2);
  });

  test("a clock that was wrong by years does not hold it up for years", async () => {
    vi.setSystemTime(Date.parse("2036-02-07T06:00:00Z") - 1_000);
    await start({ overlap: "wait" });
    await pass(1_000);
    vi.setSystemTime(morning - hourMs / 2);
    await pass(31 * minuteMs);
    expect(hours().at(-1)).toBe(0);
  });
});

describe("a run that is under way while the schedule is started again", () => {
  let folder: string;
  let file: string;
  const open = () => createScheduleRecords({ file, writeAfterMs: 5 });

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "overlap-"));
    file = path.join(folder, "schedules.json");
    records = open();
  });
  afterEach(async () => {
    await scheduler.close();
    await rm(folder, { recursive: true });
  });
  const untilStarted = () => vi.waitFor(() => expect(running).not.toEqual([]));

  test.each([
    ["the same timetable", "0 * * * *", [0, 1]],
    ["another timetable", "30 * * * *", [0, 0.5]],
  ])("is known in the next life, and ends there: %s", async (_what, cron, expected) => {
    await start({ overlap: "wait" });
    await vi.waitFor(async () => expect(await records.get("a")).toBeDefined());
    await pass(1_000);
    await scheduler.close();
    running = [];
    records = open();
    await start({ overlap: "wait", cron });
    // Said at once, before the file was read.
    const said = scheduler.ended("00000000-0000-4000-8000-000000000000");
    await untilStarted();
    expect(await said).toBe(false);
    expect(running).toEqual([morning]);
    await pass(70 * minuteMs);
    expect(hours()).toEqual([0]);
    expect(await scheduler.ended(idOf(0))).toBe(true);
    expect(hours()).toEqual(expected);
    // What has just ended does not come back after a crash: it is on the disk.
    expect(await readFile(file, "utf8")).not.toContain(idOf(0));
  });

  test("is taken as ended when its limit has passed in between", async () => {
    await start({ overlap: "wait", missed: "none" });
    await vi.waitFor(async () => expect(await records.get("a")).toBeDefined());
    await pass(1_000);
    await scheduler.close();
    vi.setSystemTime(morning + 2 * hourMs + 30 * minuteMs);
    records = open();
    await start({ overlap: "wait", missed: "none" });
    await vi.waitFor(() => expect(notices).toHaveLength(2));
    expect(notices[0]).toMatch(/taken as ended/);
    expect(notices[1]).toBe("2 scheduled times were missed and passed over.");
    expect(hours()).toEqual([0]);
  });

  test.each([
    ["without it, of an older version", {}],
    ["with one that makes no sense", { running: { id: 5, startedAt: "soon" } }],
    ["with nothing for one", { running: null }],
  ])("a file %s is read as ever", async (_what, further) => {
    const schedules = { a: { timetable: "0 * * * * UTC", settledUntil: morning - hourMs, ...further } };
    await writeFile(file, JSON.stringify({ version: 1, schedules }));
    await start({ overlap: "wait" });
    vi.setSystemTime(morning);
    await vi.waitFor(async () => {
      await pass(minuteMs);
      expect(hours()).toEqual([0]);
    });
    expect(notices).toEqual([]);
  });
});
