import { describe, expect, test } from "vitest";
import { openTimetable, readScheduleOptions } from "../../../src/lib";

const open = (cron: string, timeZone = "UTC") => openTimetable({ cron, timeZone });
const after = Date.parse("2026-11-24T12:00:00Z");

describe("a cron expression", () => {
  test.each([
    ["0 6 * * *", "2026-11-25T06:00:00"],
    ["  0   6 *\t* *  ", "2026-11-25T06:00:00"],
    ["30 0 6 * * *", "2026-11-25T06:00:30"],
    ["*/20 * * * * *", "2026-11-24T12:00:20"],
    ["0 6 * * MON-FRI", "2026-11-25T06:00:00"],
    ["0 6 * * 7", "2026-11-29T06:00:00"],
    ["0 6 L * *", "2026-11-30T06:00:00"],
    ["0 6 1 jan *", "2027-01-01T06:00:00"],
    ["0 6 29 2 *", "2028-02-29T06:00:00"],
    ["0 6 13 * FRI", "2026-11-27T06:00:00"],
    ["@hourly", "2026-11-24T13:00:00"],
    ["@daily", "2026-11-25T00:00:00"],
    ["@midnight", "2026-11-25T00:00:00"],
    ["@weekly", "2026-11-29T00:00:00"],
    ["@monthly", "2026-12-01T00:00:00"],
    ["@yearly", "2027-01-01T00:00:00"],
    ["@Annually", "2027-01-01T00:00:00"],
  ])("%j comes next at %s", async (cron, time) => {
    const [next = 0] = (await open(cron)).next(after, 1);
    expect(new Date(next).toISOString()).toBe(`${time}.000Z`);
  });

  test.each([
    ["", /is missing/],
    ["* * *", /has 3 fields.*Give 5 \(minute, hour/],
    ["6", /has 1 field\./],
    ["* * * * * * 2027", /has 7 fields/],
    ["2027-01-01T00:00:00", /has 1 field\./],
    ["60 * * * *", /minute cannot be "60".*0 to 59/],
    ["0 25 * * *", /hour cannot be "25".*0 to 23/],
    ["0 6 32 * *", /day of the month cannot be "32"/],
    ["0 6 * 13 *", /month cannot be "13".*1 to 12/],
    ["0 6 * * 8", /day of the week cannot be "8"/],
    ["60 0 6 * * *", /second cannot be "60"/],
    ["*/0 * * * *", /minute cannot be "\*\/0"/],
    ["5-1 * * * *", /minute cannot be "5-1"/],
    ["0 6 * * MONDAY", /day of the week cannot be "MONDAY"/],
    ["0 6 30 2 *", /a day that never comes/],
    ["@reboot", /but not "@reboot"/],
    [`${"1,".repeat(200)}1 * * * *`, /longer than 200/],
  ])("%j is refused", async (cron, sentence) => {
    await expect(open(cron)).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringMatching(sentence),
    });
  });

  test("is read in a time zone", async () => {
    const timetable = await open("0 6 * * *", "Asia/Kolkata");
    expect(timetable.timeZone).toBe("Asia/Kolkata");
    expect(timetable.next(after, 1)).toEqual([Date.parse("2026-11-25T00:30:00Z")]);
    const own = await open("0 6 * * *", "");
    expect(own.timeZone).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
    await expect(open("0 6 * * *", "Mars/Olympus")).rejects.toMatchObject({
      kind: "invalid",
      message: 'The time zone "Mars/Olympus" is not known. Use a name such as Europe/Berlin.',
    });
  });
});

test.each([1, 2, 3])("the latest %i times before any part of a second are those", async (most) => {
  const { latest } = await openTimetable({ cron: "* * * * * *", timeZone: "UTC" });
  const start = Date.parse("2026-11-24T06:00:00Z");
  for (const [until, last] of [
    [start + 10_000, 10],
    [start + 10_001, 10],
    [start + 9_999, 9],
  ] as const) {
    const expected = Array.from({ length: most }, (_, n) => start + (last - most + 1 + n) * 1_000);
    expect(latest(start - 1, until, most)).toEqual(expected);
  }
});

describe("the options of a schedule", () => {
  test("have defaults", () => {
    expect(readScheduleOptions({ cron: "@daily" })).toEqual({
      cron: "@daily",
      timeZone: "",
      missed: "latest",
      missedLimit: 10,
      graceMs: 0,
      jitterMs: 0,
      overlap: "allow",
      overlapLimitMs: 7_200_000,
    });
  });

  test("may come as text, as environment variables do", () => {
    const given = { cron: "@daily", missed: "all", missedLimit: "3", graceMs: "60000", jitterMs: "500" };
    expect(readScheduleOptions(given)).toMatchObject({ missedLimit: 3, graceMs: 60_000, jitterMs: 500 });
  });

  test("name every problem at once", () => {
    const wrong = { timeZone: 5, missed: "some", missedLimit: 101, graceMs: -1, jitterMs: "x", overlap: 5 };
    expect(() => readScheduleOptions(wrong)).toThrow(
      /cron is missing; timeZone must be text; missed must be one of .*; missedLimit .*; graceMs .*; jitterMs .*; overlap must be one of /,
    );
    expect(() => readScheduleOptions(undefined)).toThrow(/must be an object/);
  });
});
