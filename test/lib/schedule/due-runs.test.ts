import { describe, expect, test } from "vitest";
import { dueRuns, type MissedPolicy, mostMissed, openTimetable, type ScheduledRun } from "../../../src/lib";

const policy = { missed: "latest" as MissedPolicy, missedLimit: 10, graceMs: 0, jitterMs: 0 };
const at = (text: string) => Date.parse(`2026-11-${text}Z`);
const hourMs = 3_600_000;

/** `due 24T06:00 +2`: for the sixth hour, makes up for two. */
const described = ({ scheduledAt, reason, missed }: ScheduledRun) =>
  `${reason} ${new Date(scheduledAt).toISOString().slice(8, 16)} +${missed}`;

type Row = [
  settings: Partial<typeof policy>,
  settledUntil: string,
  now: string,
  runs: string[],
  passedOver: number,
];

/** A schedule at each sixth hour: 00:00, 06:00, 12:00, 18:00. */
const rows: Row[] = [
  [{}, "24T06:00", "24T11:59:59", [], 0],
  [{}, "24T06:00", "24T12:00:00", ["due 24T12:00 +0"], 0],
  [{}, "24T06:00", "24T12:01:00", ["due 24T12:00 +0"], 0],
  [{}, "24T06:00", "24T12:01:01", ["missed 24T12:00 +1"], 0],
  [{}, "23T06:00", "24T11:00:00", ["missed 24T06:00 +4"], 0],
  [{}, "23T06:00", "24T12:00:30", ["due 24T12:00 +4"], 0],
  [{ missed: "none" }, "24T06:00", "24T12:00:30", ["due 24T12:00 +0"], 0],
  [{ missed: "none" }, "23T06:00", "24T12:00:30", ["due 24T12:00 +0"], 4],
  [{ missed: "none" }, "23T06:00", "24T11:00:00", [], 4],
  [{ missed: "all" }, "23T18:00", "24T11:00:00", ["missed 24T00:00 +1", "missed 24T06:00 +1"], 0],
  [
    { missed: "all" },
    "23T18:00",
    "24T12:00:00",
    ["missed 24T00:00 +1", "missed 24T06:00 +1", "due 24T12:00 +0"],
    0,
  ],
  [
    { missed: "all", missedLimit: 2 },
    "20T06:00",
    "24T11:00:00",
    ["missed 24T00:00 +1", "missed 24T06:00 +1"],
    14,
  ],
  [
    { missed: "all", missedLimit: 1 },
    "23T06:00",
    "24T12:00:00",
    ["missed 24T06:00 +1", "due 24T12:00 +0"],
    3,
  ],
  [{ graceMs: 12 * hourMs }, "20T06:00", "24T11:00:00", ["missed 24T06:00 +2"], 14],
  [{ graceMs: hourMs }, "20T06:00", "24T11:00:00", [], 16],
  [{ graceMs: hourMs }, "20T06:00", "24T07:00:00", ["missed 24T06:00 +1"], 15],
  [{ graceMs: 1_000 }, "24T06:00", "24T12:00:30", ["due 24T12:00 +0"], 0],
  [
    { missed: "all", graceMs: 12 * hourMs },
    "20T06:00",
    "24T11:00:00",
    ["missed 24T00:00 +1", "missed 24T06:00 +1"],
    14,
  ],
  [{ jitterMs: 600_000 }, "24T06:00", "24T12:10:59", ["due 24T12:00 +0"], 0],
  [{ jitterMs: 600_000 }, "24T06:00", "24T12:11:01", ["missed 24T12:00 +1"], 0],
  [{}, "24T12:00", "24T06:00:00", [], 0],
];

describe("each sixth hour", () => {
  test.each(rows)(
    "%j, settled until %s, at %s: %j",
    async (settings, settledUntil, now, runs, passedOver) => {
      const timetable = await openTimetable({ cron: "0 */6 * * *", timeZone: "UTC" });
      const moment = { settledUntil: at(settledUntil), now: at(now) };
      const due = dueRuns(timetable, { ...policy, ...settings }, moment);
      expect(due.runs.map(described)).toEqual(runs);
      expect(due.passedOver).toBe(passedOver);
      // Whatever was decided is decided for good.
      const again = dueRuns(
        timetable,
        { ...policy, ...settings },
        { ...moment, settledUntil: due.settledUntil },
      );
      expect(again).toEqual({ runs: [], settledUntil: due.settledUntil, passedOver: 0 });
    },
  );
});

test("years of seconds are looked at in no time, and the newest are kept", async () => {
  const timetable = await openTimetable({ cron: "* * * * * *", timeZone: "Europe/Berlin" });
  const now = at("24T12:00:00");
  const moment = { settledUntil: now - 5 * 366 * 24 * hourMs, now };
  const started = performance.now();
  const all = dueRuns(timetable, { ...policy, missed: "all", missedLimit: mostMissed }, moment);
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(all.runs).toHaveLength(mostMissed + 1);
  expect(all.runs.map(({ scheduledAt }) => scheduledAt)).toEqual(
    Array.from({ length: mostMissed + 1 }, (_, n) => now - (mostMissed - n) * 1_000),
  );
  const [latest] = dueRuns(timetable, policy, moment).runs;
  expect(latest).toEqual({ scheduledAt: now, reason: "due", missed: mostMissed });
});
