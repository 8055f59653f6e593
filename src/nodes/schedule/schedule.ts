import type { Node, NodeAPI, NodeDef, NodeMessage } from "node-red";
import {
  inUnit,
  openTimetable,
  readOptions,
  readScheduleOptions,
  type ScheduledStart,
  type ScheduleOptions,
  type Scheduler,
  toDeliveryError,
} from "../../lib";
import { withoutCause } from "../shared/errors";
import { whenFlowsStarted } from "../shared/flows-started";
import { statusOf } from "../shared/status";
import { msPerMinute, msPerSecond } from "../shared/units";
import { keptHere, keptInStore } from "./keeper";
import { servePreview } from "./preview";

interface Config extends NodeDef {
  store?: string;
  graceMinutes?: unknown;
  jitterSeconds?: unknown;
}

interface Settings {
  topic: string;
  paused: boolean;
  options: ScheduleOptions;
}

export default function register(RED: NodeAPI): void {
  servePreview(RED);
  RED.nodes.registerType("delivery-schedule", function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const keeper = config.store ? keptInStore(RED, this, config.store) : keptHere(RED, this);
    let scheduler: Scheduler | undefined;
    let closed = false;

    const start = async (): Promise<void> => {
      const { topic, paused, options } = readSettings(config);
      const timetable = await openTimetable(options);
      if (closed) return;
      if (paused) {
        // Who stops a schedule on purpose does not want made up for what did not happen meanwhile.
        await keeper.forget();
        this.status(statusOf.waiting("paused"));
        return;
      }
      scheduler = keeper.start({
        timetable,
        options,
        run: (run) => this.send(messageOf(run, topic)),
        onWaiting: (next) => this.status(statusOfNext(next, timetable.timeZone)),
        onNotice: (notice) => this.warn(notice),
      });
    };
    const callOff = whenFlowsStarted(RED, () => {
      start().catch((error: unknown) => {
        const problem = toDeliveryError(error);
        this.status(statusOf.problem(problem.message));
        this.error(withoutCause(problem));
      });
    });
    this.on("close", (removed: boolean, done: () => void) => {
      closed = true;
      callOff();
      const close = async () => {
        await scheduler?.close();
        // Also of a node that is disabled: it then begins anew.
        if (removed) await keeper.forget();
      };
      close()
        .catch((error: unknown) => this.warn(toDeliveryError(error).message))
        .finally(keeper.release)
        .then(done, done);
    });
  });
}

function readSettings(config: Config): Settings {
  const options = readScheduleOptions({
    ...config,
    graceMs: inUnit("graceMinutes", config.graceMinutes, msPerMinute),
    jitterMs: inUnit("jitterSeconds", config.jitterSeconds, msPerSecond),
  });
  return readOptions("Schedule", config, (reader) => ({
    topic: reader.optionalString("topic") ?? "",
    paused: reader.boolean("paused", false),
    options,
  }));
}

function messageOf(
  { scheduledAt, startedAt, reason, missed, next }: ScheduledStart,
  topic: string,
): NodeMessage {
  return {
    ...(topic && { topic }),
    payload: scheduledAt,
    schedule: {
      scheduledAt: isoOf(scheduledAt),
      startedAt: isoOf(startedAt),
      reason,
      missed,
      ...(next !== undefined && { next: isoOf(next) }),
    },
  };
}

function isoOf(time: number): string {
  return new Date(time).toISOString();
}

function statusOfNext(next: number | undefined, timeZone: string) {
  if (next === undefined) return statusOf.waiting("no further time");
  const withSeconds = next % msPerMinute !== 0;
  // Sweden writes dates as ISO 8601 does.
  const text = new Date(next).toLocaleString("sv-SE", {
    timeZone,
    dateStyle: "short",
    timeStyle: withSeconds ? "medium" : "short",
  });
  return { fill: "green", shape: "ring", text: `next ${text}` } as const;
}
