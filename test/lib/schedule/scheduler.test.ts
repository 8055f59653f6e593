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
import { planNext } from "../../../src/lib/schedule/scheduler";

const morning = Date.parse("2026-11-24T06:00:00Z");
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let records: ScheduleRecords;
let starts: ScheduledStart[];
let waits: (string | undefined)[];
let notices: string[];
let scheduler: Scheduler | undefined;

// The clock and the timers are all that a schedule knows of the world; nobody can wait for days.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
  records = createScheduleRecords();
  [starts, waits, notices] = [[], [], []];
});
afterEach(async () => {
  await scheduler?.close();
  vi.useRealTimers();
});

async function start(settings: object = {}): Promise<void> {
  const options = readScheduleOptions({ cron: "0 6 * * *", timeZone: "UTC", ...settings });
  const timetable = await openTimetable(options);
  scheduler = startScheduler({
    id: "a",
    timetable,
    options,
    records,
    run: (run) => starts.push(run),
    onWaiting: (next) => waits.push(next === undefined ? undefined : iso(next)),
    onNotice: (notice) => notices.push(notice),
  });
  await vi.advanceTimersByTimeAsync(0);
}
const iso = (time: number) => new Date(time).toISOString();
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const started = () => starts.map(({ reason, startedAt }) => `${reason} ${iso(startedAt).slice(5, 19)}`);

describe("a schedule", () => {
  test("runs at its times, to the millisecond, and says when it will again", async () => {
    vi.setSystemTime(morning - 90_500);
    await start();
    expect(waits).toEqual(["2026-11-24T06:00:00.000Z"]);
    await pass(90_499);
    expect(starts).toEqual([]);
    await pass(1);
    const next = morning + 24 * hourMs;
    const runId = expect.stringMatching(/^[0-9a-f-]{36}$/);
    expect(starts).toEqual([
      { runId, scheduledAt: morning, startedAt: morning, reason: "due", missed: 0, next },
    ]);
    await pass(48 * hourMs);
    expect(started()).toEqual(["due 11-24T06:00:00", "due 11-25T06:00:00", "due 11-26T06:00:00"]);
    expect(waits).toHaveLength(4);
    expect(notices).toEqual([]);
  });

  test("begins now when nothing is known of it", async () => {
    vi.setSystemTime(morning + hourMs);
    await start({ missed: "all" });
    await pass(minuteMs);
    expect(starts).toEqual([]);
    expect(await records.get("a")).toEqual({ timetable: "0 6 * * * UTC", settledUntil: morning + hourMs });
  });

  test("makes up for what it missed, once", async () => {
    records.set("a", { timetable: "0 6 * * * UTC", settledUntil: morning - 72 * hourMs });
    vi.setSystemTime(morning + hourMs);
    await start();
    expect(started()).toEqual(["missed 11-24T07:00:00"]);
    expect(starts[0]).toMatchObject({ scheduledAt: morning, missed: 3, next: morning + 24 * hourMs });
    await scheduler?.close();
    await start();
    await pass(minuteMs);
    expect(starts).toHaveLength(1);
  });

  test("owes nothing of the past under another timetable", async () => {
    records.set("a", { timetable: "0 5 * * * UTC", settledUntil: morning - 72 * hourMs });
    vi.setSystemTime(morning + hourMs);
    await start();
    await pass(minuteMs);
    expect(starts).toEqual([]);
  });

  test("tells of what it passes over", async () => {
    records.set("a", { timetable: "0 6 * * * UTC", settledUntil: morning - 72 * hourMs });
    vi.setSystemTime(morning + hourMs);
    await start({ missed: "none" });
    expect(starts).toEqual([]);
    expect(notices).toEqual(["3 scheduled times were missed and passed over."]);
  });

  test("a deploy in the moment of a run costs nothing, even when nothing is made up for", async () => {
    vi.setSystemTime(morning - 1_000);
    await start({ missed: "none" });
    await scheduler?.close();
    vi.setSystemTime(morning + 20_000);
    await start({ missed: "none" });
    expect(started()).toEqual(["due 11-24T06:00:20"]);
  });

  test("once closed, runs nothing", async () => {
    vi.setSystemTime(morning - 1_000);
    await start();
    await scheduler?.close();
    await pass(hourMs);
    expect(starts).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("when the clock is set", () => {
  test("forward by hours: what it jumped over was missed, and is found within a minute", async () => {
    vi.setSystemTime(morning - hourMs);
    await start();
    vi.setSystemTime(morning + 3 * hourMs);
    await pass(minuteMs);
    expect(started()).toEqual(["missed 11-24T09:01:00"]);
  });

  test("back by an hour: nothing is run twice", async () => {
    vi.setSystemTime(morning - 1_000);
    await start();
    await pass(2_000);
    vi.setSystemTime(morning - hourMs);
    await pass(2 * hourMs);
    expect(started()).toEqual(["due 11-24T06:00:00"]);
    await pass(24 * hourMs);
    expect(started()).toEqual(["due 11-24T06:00:00", "due 11-25T06:00:00"]);
  });

  test("back by years, as the clock was wrong: it begins anew", async () => {
    records.set("a", { timetable: "0 6 * * * UTC", settledUntil: Date.parse("2036-02-07T06:00:00Z") });
    vi.setSystemTime(morning - hourMs);
    await start();
    await pass(2 * hourMs);
    expect(started()).toEqual(["due 11-24T06:00:00"]);
  });

  test("no timer is longer than a minute", async () => {
    const set = vi.spyOn(globalThis, "setTimeout");
    vi.setSystemTime(morning + hourMs);
    await start();
    await pass(10 * minuteMs);
    const waited = set.mock.calls.map(([, ms]) => Number(ms));
    set.mockRestore();
    expect(waited.length).toBeGreaterThan(9);
    expect(Math.max(...waited)).toBe(minuteMs);
  });
});

describe("jitter", () => {
  test("delays each run by a part of it, never past half of the way to the next", async () => {
    vi.setSystemTime(morning - 1_000);
    await start({ cron: "* * * * *", jitterMs: 50_000 });
    await pass(200 * minuteMs);
    const delays = starts.map(({ scheduledAt, startedAt }) => startedAt - scheduledAt);
    // 200 draws: that none is below 5 s or above 25 s happens once in 10⁷ times.
    expect(Math.min(...delays)).toBeLessThan(5_000);
    expect(Math.max(...delays)).toBeGreaterThan(25_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(30_001);
    expect(starts.length).toBeGreaterThanOrEqual(199);
    expect(new Set(starts.map(({ scheduledAt }) => scheduledAt)).size).toBe(starts.length);
    expect(starts.filter(({ reason }) => reason !== "due")).toEqual([]);
  });

  test("is of whole milliseconds: databases take no others", async () => {
    const timetable = await openTimetable(readScheduleOptions({ cron: "* * * * *", timeZone: "UTC" }));
    const plans = Array.from({ length: 50 }, () => planNext(timetable, { jitterMs: 50_000 }, morning));
    expect(plans.filter((plan) => !Number.isInteger(plan?.startAt))).toEqual([]);
  });
});

test("a run that throws is told of, and does not stop the others", async () => {
  const options = readScheduleOptions({ cron: "* * * * *", timeZone: "UTC" });
  vi.setSystemTime(morning - 1_000);
  let runs = 0;
  scheduler = startScheduler({
    id: "a",
    timetable: await openTimetable(options),
    options,
    records,
    run: () => {
      runs++;
      throw new Error("the flow is gone");
    },
    onNotice: (notice) => notices.push(notice),
  });
  await pass(3 * minuteMs);
  expect(runs).toBe(3);
  expect(notices).toEqual(Array(3).fill("the flow is gone"));
});
