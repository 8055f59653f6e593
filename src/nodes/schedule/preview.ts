import type { NodeAPI } from "node-red";
import { openTimetable, toDeliveryError } from "../../lib";

/** What the dialog shows while a person types. */
type Preview = { times: string[]; timeZone: string } | { problem: string };

const previewCount = 10;

/** Answers the dialog, which asks for the next times of an expression that is not deployed yet. */
export function servePreview({ httpAdmin, auth }: NodeAPI): void {
  const mayRead = auth.needsPermission("delivery-schedule.read");
  httpAdmin.post("/delivery-schedule/preview", mayRead, (request, response) => {
    void previewOf(request.body).then((preview) => response.json(preview));
  });
}

async function previewOf(asked: unknown): Promise<Preview> {
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
