import { describe, expect, test, vi } from "vitest";
import { cancelPlannedRuns, createAbsentSpool, sendAgain } from "../../../src/lib";
import { hourMs, leaseMs, morning, type Process, schedule, sharedProcesses } from "./shared-processes";

const dayMs = 24 * hourMs;
const { processes, start, lookAtStore, allRuns } = sharedProcesses(morning - hourMs, { cron: "0 6 * * *" });

const patience = { timeout: 10_000, interval: 20 };
const until = (what: () => unknown) => expect.poll(what, patience);
/** The times of the runs that wait; NaN for those that have been begun with. */
async function planned(): Promise<number[]> {
  const store = lookAtStore();
  const { deliveries } = await store.list({ states: ["queued", "sending", "waiting", "failed"] });
  return deliveries.map(({ state, target }) => (state === "waiting" ? Date.parse(target) : Number.NaN));
}
const untilPlanned = (...times: number[]) => until(planned).toEqual(times);
/** Longer than any process takes to look whether there is something to do. */
const rest = () => new Promise((resolve) => setTimeout(resolve, 400));

describe("a schedule of several processes", () => {
  test("is planned once, and each of its times is run by one of them", async () => {
    await Promise.all([start(), start(), start()]);
    await untilPlanned(morning);
    for (let day = 0; day < 5; day++) {
      vi.setSystemTime(morning + day * dayMs);
      await until(() => allRuns().length).toBe(day + 1);
      await untilPlanned(morning + (day + 1) * dayMs);
    }
    await rest();
    expect(
      allRuns()
        .map(({ scheduledAt }) => (scheduledAt - morning) / dayMs)
        .sort(),
    ).toEqual([0, 1, 2, 3, 4]);
    expect(allRuns()[0]).toMatchObject({ reason: "due", missed: 0 });
    for (const { starts } of processes) {
      for (const { scheduledAt, next } of starts) expect(next).toBe(scheduledAt + dayMs);
    }
    for (const { notices, waits } of processes) expect([notices, waits[0]]).toEqual([[], morning]);
  });

  test("is taken over when the one that ran it dies before it was taken", async () => {
    const first = await start();
    await untilPlanned(morning);
    vi.setSystemTime(morning);
    await until(() => first.starts.length).toBe(1);
    first.isCut = true;
    const second = await start({ missed: "none" });
    await rest();
    expect(second.starts).toEqual([]);
    // Longer than what is late and not missed: it was begun in time, so that it is due all the same.
    vi.setSystemTime(morning + leaseMs + 2 * 60_000);
    await until(() => second.starts.length).toBe(1);
    expect(second.starts[0]).toMatchObject({ scheduledAt: morning, reason: "due", missed: 0 });
    await untilPlanned(morning + dayMs);
  });

  test("is made up for as far as the one that died had got, while the others went on", async () => {
    const hourly = { cron: "0 * * * *", missed: "all" };
    const hours = ({ starts }: Process) => starts.map(({ scheduledAt }) => (scheduledAt - morning) / hourMs);
    const first = await start(hourly);
    await untilPlanned(morning);
    await first.scheduler.close();
    vi.setSystemTime(morning + 3 * hourMs + 1_000);
    const second = await start(hourly);
    await until(() => hours(second)).toEqual([0, 1, 2, 3]);
    second.isCut = true;
    const third = await start(hourly);
    for (const hour of [4, 5]) {
      vi.setSystemTime(morning + hour * hourMs);
      await until(() => hours(third)).toContain(hour);
      await untilPlanned(morning + (hour + 1) * hourMs);
    }
    await rest();
    expect(hours(third).sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("goes on when one of them is closed in the moment of a run", async () => {
    const [first, second] = [await start(), await start()];
    await untilPlanned(morning);
    vi.setSystemTime(morning);
    await Promise.all([first.scheduler.close(), until(() => allRuns().length).toBe(1)]);
    await rest();
    expect(allRuns()).toHaveLength(1);
    expect(second.notices).toEqual([]);
    await untilPlanned(morning + dayMs);
  });

  test.each([
    ["latest", [2], "missed"],
    ["all", [0, 1, 2], "missed"],
    ["none", [], ""],
  ])("makes up for what was missed while all were down, once: %s", async (missed, days, reason) => {
    const first = await start({ missed });
    await untilPlanned(morning);
    await first.scheduler.close();
    vi.setSystemTime(morning + 2 * dayMs + hourMs);
    await Promise.all([start({ missed }), start({ missed })]);
    await untilPlanned(morning + 3 * dayMs);
    await until(() => allRuns().map(({ scheduledAt }) => (scheduledAt - morning) / dayMs)).toEqual(days);
    await rest();
    expect(allRuns()).toHaveLength(days.length);
    for (const run of allRuns()) expect(run.reason).toBe(reason);
  });

  test("owes nothing to one that was away while another one ran it, whatever was forgotten since", async () => {
    const [first, second] = [await start({ missed: "all" }), await start({ missed: "all" })];
    await untilPlanned(morning);
    await first.scheduler.close();
    for (const day of [0, 1]) {
      vi.setSystemTime(morning + day * dayMs);
      await until(() => second.starts.length).toBe(day + 1);
      await untilPlanned(morning + (day + 1) * dayMs);
    }
    await until(async () => second.store.prune({ olderThanMs: -1, keep: 0 })).toBeGreaterThan(0);
    const third = await start({ missed: "all" });
    await rest();
    expect(third.starts).toEqual([]);
    await untilPlanned(morning + 2 * dayMs);
  });

  test("follows the timetable of whoever began last", async () => {
    const old = await start();
    await untilPlanned(morning);
    vi.setSystemTime(morning - hourMs / 2);
    const newest = await start({ cron: "0 7 * * *" });
    await untilPlanned(morning + hourMs);
    await rest();
    vi.setSystemTime(morning);
    await rest();
    expect(allRuns()).toEqual([]);
    // The same again: what was withdrawn can be planned anew.
    await newest.scheduler.close();
    vi.setSystemTime(morning - hourMs / 4);
    await start();
    await untilPlanned(morning);
    vi.setSystemTime(morning);
    await until(() => allRuns().length).toBe(1);
    expect(old.notices).toEqual([]);
  });

  test("that one of them stops is planned anew by the others", async () => {
    const [, second] = [await start(), await start()];
    await untilPlanned(morning);
    await cancelPlannedRuns(second.store, schedule);
    expect(await planned()).toEqual([]);
    await expect.poll(planned, { timeout: 20_000, interval: 100 }).toEqual([morning]);
  }, 40_000);

  test("sent again by a person, a time is run once more, and nothing else", async () => {
    const only = await start({ missed: "all" });
    await untilPlanned(morning);
    for (const day of [0, 1, 2]) {
      vi.setSystemTime(morning + day * dayMs);
      await untilPlanned(morning + (day + 1) * dayMs);
    }
    const { deliveries } = await only.store.list({ states: ["delivered"] });
    const oldest = deliveries.find(({ target }) => Date.parse(target) === morning);
    await sendAgain(only.store, { id: oldest?.id ?? "", spool: createAbsentSpool() });
    await until(() => only.starts.length).toBe(4);
    await rest();
    expect(only.starts.map(({ scheduledAt }) => (scheduledAt - morning) / dayMs)).toEqual([0, 1, 2, 0]);
    await untilPlanned(morning + 3 * dayMs);
  });

  test("waits for a store that is away, says so once, and makes up for it", async () => {
    const only = await start();
    await untilPlanned(morning);
    only.isCut = true;
    vi.setSystemTime(morning);
    await until(() => only.notices).toEqual(["It is away."]);
    expect(only.starts).toEqual([]);
    vi.setSystemTime(morning + hourMs);
    only.isCut = false;
    await until(() => only.starts).toMatchObject([{ scheduledAt: morning, reason: "missed", missed: 1 }]);
    expect(only.notices).toEqual(["It is away."]);
  });
});
