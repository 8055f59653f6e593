import type { Node, NodeAPI, NodeDef, NodeMessage, NodeMessageInFlow } from "node-red";
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
import { answer } from "../shared/answer";
import { withoutCause } from "../shared/errors";
import { whenFlowsStarted } from "../shared/flows-started";
import { statusOf } from "../shared/status";
import { msPerMinute, msPerSecond } from "../shared/units";
import { keptHere, keptInStore } from "./keeper";
import { previewOf } from "./preview";

interface Config extends NodeDef {
  store?: string;
  graceMinutes?: unknown;
  jitterSeconds?: unknown;
  overlapLimitMinutes?: unknown;
}

interface Settings {
  topic: string;
  paused: boolean;
  options: ScheduleOptions;
}

export default function register(RED: NodeAPI): void {
  // The dialog asks for the next times of an expression that is not deployed yet.
  const mayRead = RED.auth.needsPermission("delivery-schedule.read");
  RED.httpAdmin.post("/delivery-schedule/preview", mayRead, (request, response) => {
    void previewOf(request.body).then((preview) => response.json(preview));
  });
  RED.nodes.registerType("delivery-schedule", function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const keeper = config.store ? keptInStore(RED, this, config.store) : keptHere(RED, this);
    let closed = false;

    const start = async (): Promise<Scheduler | undefined> => {
      const { topic, paused, options } = readSettings(config);
      const timetable = await openTimetable(options);
      if (closed) return undefined;
      if (paused) {
        // Who stops a schedule on purpose does not want made up for what did not happen meanwhile.
        await keeper.forget();
        this.status(statusOf.waiting("paused"));
        return undefined;
      }
      const show = showTimes(this, timetable.timeZone);
      return keeper.start({
        timetable,
        options,
        run: (run) => this.send(messageOf(run, topic)),
        onWaiting: (next) => show({ next }),
        onRunning: (since) => show({ since }),
        onNotice: (notice) => this.warn(notice),
      });
    };
    let callOff = () => {};
    const starting = new Promise<Scheduler | undefined>((resolve) => {
      const callOffStart = whenFlowsStarted(RED, () => {
        const started = start().catch((error: unknown) => {
          const problem = toDeliveryError(error);
          this.status(statusOf.problem(problem.message));
          this.error(withoutCause(problem));
          return undefined;
        });
        resolve(started);
      });
      callOff = () => {
        callOffStart();
        resolve(undefined);
      };
    });
    this.on("input", (msg, _send, done) => {
      answer(this, { msg, done }, async () => {
        const scheduler = await starting;
        if (await scheduler?.ended(runIdOf(msg))) return;
        this.debug("The message that came back is of no run of this schedule that has not ended.");
      });
    });
    this.on("close", (removed: boolean, done: () => void) => {
      closed = true;
      callOff();
      const close = async () => {
        const scheduler = await starting;
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
    overlapLimitMs: inUnit("overlapLimitMinutes", config.overlapLimitMinutes, msPerMinute),
  });
  return readOptions("Schedule", config, (reader) => ({
    topic: reader.optionalString("topic") ?? "",
    paused: reader.boolean("paused", false),
    options,
  }));
}

function messageOf(
  { runId, scheduledAt, startedAt, reason, missed, next }: ScheduledStart,
  topic: string,
): NodeMessage {
  return {
    ...(topic && { topic }),
    payload: scheduledAt,
    schedule: {
      runId,
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

/** Empty when the message is of no run. */
function runIdOf(msg: NodeMessageInFlow): string {
  const { runId } = ((msg as { schedule?: unknown }).schedule ?? {}) as { runId?: unknown };
  return typeof runId === "string" ? runId : "";
}

interface Shown {
  next?: number | undefined;
  since?: number | undefined;
}

/** Shows when the next run is, or since when one has not ended. */
function showTimes(node: Node, timeZone: string): (change: Shown) => void {
  let shown: Shown = {};
  return (change) => {
    shown = { ...shown, ...change };
    const { next, since } = shown;
    if (since !== undefined) node.status(statusOf.busy(`running since ${textOf(since, timeZone)}`));
    else if (next === undefined) node.status(statusOf.waiting("no further time"));
    else node.status({ fill: "green", shape: "ring", text: `next ${textOf(next, timeZone)}` });
  };
}

function textOf(time: number, timeZone: string): string {
  const withSeconds = Math.floor(time / msPerSecond) % 60 !== 0;
  // Sweden writes dates as ISO 8601 does.
  return new Date(time).toLocaleString("sv-SE", {
    timeZone,
    dateStyle: "short",
    timeStyle: withSeconds ? "medium" : "short",
  });
}
