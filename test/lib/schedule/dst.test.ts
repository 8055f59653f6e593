import { describe, expect, test } from "vitest";
import { openTimetable } from "../../../src/lib";

/** In spring 02:00 to 02:59 are not there; in autumn they are there twice. All times of the tables are UTC. */
const berlin = "Europe/Berlin";
/** In spring 02:00 to 02:59 are not there; in autumn 01:00 to 01:59 are there twice. */
const newYork = "America/New_York";
/** The clock moves by half an hour: 02:00 to 02:29 are not there in October, 01:30 to 01:59 twice in April. */
const lordHowe = "Australia/Lord_Howe";

type Row = [what: string, timeZone: string, cron: string, after: string, times: string];

const rows: Row[] = [
  ["in the gap: at its end", berlin, "30 2 * * *", "2026-03-28T02:00", "03-29T01:00 03-30T00:30 03-31T00:30"],
  ["at the gap's first moment", berlin, "0 2 * * *", "2026-03-28T02:00", "03-29T01:00 03-30T00:00"],
  ["at the gap's end", berlin, "0 3 * * *", "2026-03-28T03:00", "03-29T01:00 03-30T01:00"],
  ["just before the gap", berlin, "59 1 * * *", "2026-03-28T02:00", "03-29T00:59 03-29T23:59"],
  ["a list with one in the gap", berlin, "30 2,14 * * *", "2026-03-28T14:00", "03-29T01:00 03-29T12:30"],
  ["two in the gap, one run", berlin, "10,40 2 * * *", "2026-03-28T02:00", "03-29T01:00 03-30T00:10"],
  [
    "one in the gap meets one at its end",
    berlin,
    "0 2,3 * * *",
    "2026-03-28T03:00",
    "03-29T01:00 03-30T00:00",
  ],
  [
    "each half hour around the gap",
    berlin,
    "*/30 * * * *",
    "2026-03-29T00:20",
    "03-29T00:30 03-29T01:00 03-29T01:30",
  ],
  ["every other hour, one in the gap", berlin, "0 */2 * * *", "2026-03-28T22:30", "03-28T23:00 03-29T02:00"],
  ["with seconds", berlin, "15 30 2 * * *", "2026-03-28T02:00", "03-29T01:00 03-30T00:30:15"],
  ["on Sundays only", berlin, "30 2 * * SUN", "2026-03-22T02:00", "03-29T01:00 04-05T00:30"],
  ["twice: the first", berlin, "30 2 * * *", "2026-10-24T02:00", "10-25T00:30 10-26T01:30 10-27T01:30"],
  [
    "twice, a list: the first of each",
    berlin,
    "0,30 2 * * *",
    "2026-10-24T02:00",
    "10-25T00:00 10-25T00:30 10-26T01:00",
  ],
  [
    "each half hour, twice",
    berlin,
    "*/30 * * * *",
    "2026-10-24T23:45",
    "10-25T00:00 10-25T00:30 10-25T01:00 10-25T01:30 10-25T02:00",
  ],
  ["after the second of an hour", berlin, "0 3 * * *", "2026-10-24T03:00", "10-25T02:00 10-26T02:00"],
  ["daily by name", berlin, "@daily", "2026-10-24T12:00", "10-24T22:00 10-25T23:00"],

  [
    "in the gap: at its end",
    newYork,
    "30 2 * * *",
    "2026-03-07T08:00",
    "03-08T07:00 03-09T06:30 03-10T06:30",
  ],
  ["at the gap's end", newYork, "0 3 * * *", "2026-03-07T09:00", "03-08T07:00 03-09T07:00"],
  [
    "a range through the gap",
    newYork,
    "0 1-4 * * *",
    "2026-03-08T05:00",
    "03-08T06:00 03-08T07:00 03-08T08:00 03-09T05:00",
  ],
  [
    "each quarter around the gap",
    newYork,
    "*/15 * * * *",
    "2026-03-08T06:40",
    "03-08T06:45 03-08T07:00 03-08T07:15",
  ],
  ["twice: the first", newYork, "30 1 * * *", "2026-10-31T06:00", "11-01T05:30 11-02T06:30 11-03T06:30"],
  ["each hour, twice", newYork, "0 * * * *", "2026-11-01T04:30", "11-01T05:00 11-01T06:00 11-01T07:00"],
  ["weekdays around the fold", newYork, "0 6 * * MON-FRI", "2026-10-30T11:00", "11-02T11:00 11-03T11:00"],

  [
    "in the half hour's gap: at its end",
    lordHowe,
    "15 2 * * *",
    "2026-10-02T16:00",
    "10-03T15:30 10-04T15:15",
  ],
  ["after the half hour's gap", lordHowe, "45 2 * * *", "2026-10-02T16:30", "10-03T15:45 10-04T15:45"],
  [
    "each quarter around the half hour",
    lordHowe,
    "*/15 * * * *",
    "2026-10-03T15:10",
    "10-03T15:15 10-03T15:30 10-03T15:45",
  ],
  [
    "twice in the half hour: the first",
    lordHowe,
    "45 1 * * *",
    "2026-04-03T15:00",
    "04-04T14:45 04-05T15:15",
  ],
  ["before the half hour: once", lordHowe, "15 1 * * *", "2026-04-03T15:00", "04-04T14:15 04-05T14:45"],
  [
    "each quarter, the half hour twice",
    lordHowe,
    "*/15 * * * *",
    "2026-04-04T14:20",
    "04-04T14:30 04-04T14:45 04-04T15:00 04-04T15:15 04-04T15:30",
  ],

  ["no clock changes", "UTC", "30 2 * * *", "2026-03-28T03:00", "03-29T02:30 03-30T02:30"],
];

const instant = (text: string) => Date.parse(`${text}${text.length > 16 ? "" : ":00"}Z`);
const parsed = rows.map(([what, timeZone, cron, after, times]) => ({
  what,
  timeZone,
  cron,
  after: instant(after),
  times: times.split(" ").map((time) => instant(`${after.slice(0, 4)}-${time}`)),
}));
const iso = (times: number[]) => times.map((time) => new Date(time).toISOString());

describe("when the clock changes", () => {
  test.each(parsed)("$timeZone, $cron: $what", async ({ timeZone, cron, after, times }) => {
    const timetable = await openTimetable({ cron, timeZone });
    expect(iso(timetable.next(after, times.length))).toEqual(iso(times));
  });

  test.each(parsed)("$timeZone, $cron: $what, looking back", async ({ timeZone, cron, after, times }) => {
    const timetable = await openTimetable({ cron, timeZone });
    const end = times.at(-1) ?? 0;
    expect(iso(timetable.latest(after, end, times.length))).toEqual(iso(times));
    // Fewer than there are: the newest.
    expect(iso(timetable.latest(after, end, 1))).toEqual(iso(times.slice(-1)));
    expect(iso(timetable.latest(after, end - 1, 100))).toEqual(iso(times.slice(0, -1)));
  });

  test.each([berlin, newYork, lordHowe])(
    "a year of %s one at a time has what it has at once, in order",
    async (timeZone) => {
      const timetable = await openTimetable({ cron: "*/30 1-3 * * *", timeZone });
      const begin = Date.UTC(2026, 0, 1);
      const ahead = timetable.next(begin, 6 * 365);
      expect(ahead).toEqual([...new Set(ahead)].sort((one, other) => one - other));
      const stepwise: number[] = [];
      for (let at = begin; stepwise.length < 1_000; ) {
        at = timetable.next(at, 1)[0] ?? Number.NaN;
        stepwise.push(at);
      }
      expect(stepwise).toEqual(ahead.slice(0, 1_000));
    },
  );
});
