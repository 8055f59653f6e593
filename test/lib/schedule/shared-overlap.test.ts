import { describe, expect, test, vi } from "vitest";
import { cancelPlannedRuns, createAbsentSpool, type DeliveryStore, sendAgain } from "../../../src/lib";
import { hourMs, leaseMs, morning, type Process, schedule, sharedProcesses } from "./shared-processes";

const minuteMs = 60_000;
const { processes, start, lookAtStore, allRuns } = sharedProcesses(morning - hourMs / 2, {
  cron: "0 * * * *",
  overlap: "wait",
});

const until = (what: () => unknown) => expect.poll(what, { timeout: 20_000, interval: 20 });
const hours = () => allRuns().map(({ scheduledAt }) => (scheduledAt - morning) / hourMs);
const unfinished = async (): Promise<string[]> => {
  const store = lookAtStore();
  const { deliveries } = await store.list({ states: ["queued", "sending", "waiting", "failed"] });
  return deliveries.map(({ state, target }) => `${state} ${target.replace(/\d\d\.\d+Z$/, "00.000Z")}`).sort();
};
const minuteOf = (time: number | undefined) => time && Math.floor(time / minuteMs) * minuteMs;
const at = (hour: number) => new Date(morning + hour * hourMs).toISOString();
const plannedAt = (hour: number) => `waiting ${at(hour)}`;
const runSince = (hour: number) => `waiting run since ${at(hour)}`;
/** Longer than any process takes to look whether there is something to do. */
const rest = (ms = 400) => new Promise((resolve) => setTimeout(resolve, ms));

/** The first run, which has not ended, and the next one, planned. */
async function run(settings: object = {}, count = 2): Promise<Process[]> {
  for (let n = 0; n < count; n++) await start(settings);
  await until(unfinished).toEqual([plannedAt(0)]);
  vi.setSystemTime(morning);
  await until(unfinished).toEqual([plannedAt(1), runSince(0)]);
  expect(hours()).toEqual([0]);
  return processes;
}
const runId = (n: number) => allRuns()[n]?.runId ?? "";

describe("several processes, when the last run has not ended", () => {
  test("the next waits in one of them, and starts soon after any of them was told of the end", async () => {
    const [one, other] = await run({ missed: "none" });
    vi.setSystemTime(morning + 1.9 * hourMs);
    await until(unfinished).toEqual([`sending ${at(1)}`, runSince(0)]);
    await rest(1_500);
    expect(hours()).toEqual([0]);
    const teller = one?.starts.length ? other : one;
    expect(await teller?.scheduler.ended(runId(0))).toBe(true);
    await until(hours).toHaveLength(2);
    const second = allRuns().find(({ scheduledAt }) => scheduledAt !== morning);
    expect(second).toMatchObject({ scheduledAt: morning + hourMs, reason: "missed", missed: 1 });
    expect(minuteOf(second?.startedAt)).toBe(morning + 1.9 * hourMs);
    await until(unfinished).toEqual([plannedAt(2), runSince(1.9)]);
    expect(processes.flatMap(({ notices }) => notices)).toEqual([]);
    // It waited without failing: nothing was written of that.
    const { deliveries } = await lookAtStore().list({ states: ["delivered"] });
    expect(deliveries.map(({ attempts }) => attempts.length)).toEqual([2, 2]);
  });

  test("one run makes up for all that came meanwhile", async () => {
    const [only] = await run({ overlapLimitMs: 48 * hourMs, missed: "none" }, 1);
    vi.setSystemTime(morning + 5 * hourMs + 10_000);
    await until(unfinished).toContain(`sending ${at(1)}`);
    await only?.scheduler.ended(runId(0));
    await until(() => only?.starts.slice(1)).toMatchObject([
      { scheduledAt: morning + 5 * hourMs, reason: "due", missed: 4, next: morning + 6 * hourMs },
    ]);
    await until(unfinished).toContain(plannedAt(6));
    await rest();
    expect(only?.starts).toHaveLength(2);
    const [first] = only?.starts ?? [];
    expect(only?.running).toEqual([first?.startedAt, undefined, only?.starts[1]?.startedAt]);
  });

  test("that time is skipped, and said so", async () => {
    const [only] = await run({ overlap: "skip" }, 1);
    vi.setSystemTime(morning + hourMs);
    await until(unfinished).toEqual([plannedAt(2), runSince(0)]);
    expect(only?.notices).toEqual([
      expect.stringMatching(
        /^The run .* started at 2026-11-24T06:00:\S+ has not ended: .* meanwhile is skipped.$/,
      ),
    ]);
    const { deliveries } = (await only?.store.list({ states: ["skipped"] })) ?? {};
    expect(deliveries?.map(({ target }) => target)).toEqual([at(1)]);
    await only?.scheduler.ended(runId(0));
    await until(unfinished).toEqual([plannedAt(2)]);
    vi.setSystemTime(morning + 2 * hourMs);
    await until(hours).toEqual([0, 2]);
  });

  test("it is taken as ended after its limit, also when all are started anew then", async () => {
    const [one, other] = await run({ missed: "none" });
    vi.setSystemTime(morning + hourMs);
    await until(unfinished).toContain(`sending ${at(1)}`);
    await one?.scheduler.close();
    await other?.scheduler.close();
    await until(unfinished).toEqual([`queued ${at(1)}`, runSince(0)]);
    vi.setSystemTime(morning + 2 * hourMs - 30_000);
    const third = await start();
    await until(unfinished).toContain(`sending ${at(1)}`);
    await rest();
    expect(third.running.map(minuteOf)).toEqual([morning]);
    vi.setSystemTime(morning + 2 * hourMs);
    await until(() => third.starts).toMatchObject([{ scheduledAt: morning + 2 * hourMs, missed: 1 }]);
    expect(third.notices).toEqual([expect.stringMatching(/started at 2026-11-24T06:.*taken as ended/)]);
    await until(unfinished).toEqual([plannedAt(3), runSince(2)]);
  });

  test("it is known after all of them died, is no other run, and its end counts", async () => {
    const [first] = await run({}, 1);
    if (first) first.isCut = true;
    vi.setSystemTime(morning + 50 * minuteMs);
    const second = await start();
    await until(() => second.running.map(minuteOf)).toEqual([morning]);
    vi.setSystemTime(morning + hourMs);
    await until(unfinished).toContain(`sending ${at(1)}`);
    expect(second.starts).toEqual([]);
    expect(await second.scheduler.ended(runId(0))).toBe(true);
    await until(() => second.starts).toMatchObject([{ scheduledAt: morning + hourMs }]);
  });

  test("one that is repeated by another process, as the first has died, is the same run", async () => {
    const first = await start();
    await until(unfinished).toEqual([plannedAt(0)]);
    vi.setSystemTime(morning);
    await until(hours).toEqual([0]);
    first.isCut = true;
    const second = await start();
    await rest();
    vi.setSystemTime(morning + leaseMs + 1_000);
    await until(hours).toEqual([0, 0]);
    expect(runId(1)).toBe(runId(0));
    await until(unfinished).toEqual([plannedAt(1), runSince(0)]);
    expect(await second.scheduler.ended(runId(0))).toBe(true);
    await until(unfinished).toEqual([plannedAt(1)]);
  });

  test("one that ended before its process died is not repeated", async () => {
    const [first, second] = [await start(), await start()];
    await until(unfinished).toEqual([plannedAt(0)]);
    vi.setSystemTime(morning);
    await until(hours).toEqual([0]);
    const [died, other] = first.starts.length > 0 ? [first, second] : [second, first];
    died.isCut = true;
    expect(await other.scheduler.ended(runId(0))).toBe(true);
    vi.setSystemTime(morning + leaseMs + 1_000);
    await until(unfinished).toEqual([plannedAt(1)]);
    await rest();
    expect(hours()).toEqual([0]);
  });

  test("only the end of a run of this schedule counts", async () => {
    const [only] = await run({}, 1);
    const { deliveries } = (await only?.store.list({ states: ["waiting"] })) ?? {};
    const planned = deliveries?.find(({ target }) => target === at(1));
    for (const id of ["", "run", planned?.id ?? "", "00000000-0000-4000-8000-000000000000"]) {
      expect(await only?.scheduler.ended(id)).toBe(false);
    }
    expect(await unfinished()).toEqual([plannedAt(1), runSince(0)]);
    expect(await only?.scheduler.ended(runId(0))).toBe(true);
    expect(await only?.scheduler.ended(runId(0))).toBe(false);
  });

  test("nothing of an ended run is left over: it is forgotten like any delivery", async () => {
    const [only] = await run({}, 1);
    await only?.scheduler.ended(runId(0));
    await rest();
    await only?.store.prune({ olderThanMs: -1, keep: 0 });
    const { deliveries } = (await only?.store.list({})) ?? {};
    expect(deliveries?.map(({ target }) => target)).toEqual([at(1)]);
  });

  test("a marker that a person sends again stands for nothing", async () => {
    const [only] = await run({}, 1);
    await only?.scheduler.ended(runId(0));
    await sendAgain(only?.store as DeliveryStore, { id: runId(0), spool: createAbsentSpool() });
    await until(unfinished).toEqual([plannedAt(1)]);
    expect([only?.notices, only?.starts.length]).toEqual([[], 1]);
  });

  test.each([
    ["the schedule is stopped", async ({ store }: Process) => cancelPlannedRuns(store, schedule)],
    ["it is started without a rule", async () => start({ overlap: "allow" })],
  ])("it is taken as ended when %s", async (_what, stop) => {
    const [only] = await run({}, 1);
    await only?.scheduler.close();
    await stop(only as Process);
    await until(async () => (await unfinished()).filter((one) => one.includes("run since"))).toEqual([]);
  });

  test("another timetable waits for it as well", async () => {
    const [only] = await run({}, 1);
    await only?.scheduler.close();
    const second = await start({ cron: "30 * * * *" });
    await until(unfinished).toEqual([plannedAt(0.5), runSince(0)]);
    vi.setSystemTime(morning + hourMs / 2);
    await until(unfinished).toEqual([`sending ${at(0.5)}`, runSince(0)]);
    await second.scheduler.ended(runId(0));
    await until(() => second.starts).toMatchObject([{ scheduledAt: morning + hourMs / 2, reason: "due" }]);
  });

  test("an end that comes while the store is away is kept for when it is back", async () => {
    const [only] = await run({}, 1);
    if (only) only.isCut = true;
    const ended = only?.scheduler.ended(runId(0));
    await until(() => only?.notices).toEqual(["It is away."]);
    if (only) only.isCut = false;
    expect(await ended).toBe(true);
  });
});
