import { openTimetable, toDeliveryError } from "../../lib";

/** What the dialog shows while a person types. */
export type Preview = { times: string[]; timeZone: string } | { problem: string };

const previewCount = 10;

/** @param asked the fields of the dialog */
export async function previewOf(asked: unknown): Promise<Preview> {
  const { cron, timeZone } = (asked ?? {}) as { cron?: unknown; timeZone?: unknown };
  try {
    const timetable = await openTimetable({ cron: textOf(cron), timeZone: textOf(timeZone) });
    const times = timetable.next(Date.now(), previewCount).map((time) => new Date(time).toISOString());
    return { times, timeZone: timetable.timeZone };
  } catch (error) {
    return { problem: toDeliveryError(error).message };
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
