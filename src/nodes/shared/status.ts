import type { Node, NodeStatus } from "node-red";
import type { Delivery, DeliveryRunner, DeliveryStore, Progress, Verified } from "../../lib";

const refreshEveryMs = 250;
const longestText = 90;

export const statusOf = {
  problem: (message: string): NodeStatus => ({ fill: "red", shape: "ring", text: shorten(message) }),
  done: (text: string): NodeStatus => ({ fill: "green", shape: "dot", text: shorten(text) }),
  busy: (text: string): NodeStatus => ({ fill: "blue", shape: "dot", text: shorten(text) }),
  waiting: (text: string): NodeStatus => ({ fill: "yellow", shape: "ring", text: shorten(text) }),
};

const checks: Record<Verified, string> = {
  checksum: "checksum compared",
  "read-back": "read back",
  size: "size compared",
  none: "not checked",
};

/** How the last delivery ended, as a status: short, as it stands between the nodes of a flow. */
function statusOfResult({ state, receipt, error, writer }: Delivery): NodeStatus {
  const { location = "", bytes = 0, verified = "none" } = receipt ?? {};
  switch (state) {
    case "delivered":
      if (writer.type === "delivery-notify") return statusOf.done(`sent to ${location}`);
      return statusOf.done(`delivered ${lastSegment(location)}, ${formatBytes(bytes)}, ${checks[verified]}`);
    case "skipped":
      return statusOf.done(`skipped: ${lastSegment(location)} is there already`);
    case "cancelled":
      return { fill: "grey", shape: "ring", text: "cancelled" };
    default:
      return statusOf.problem(`failed: ${reasonIn(error?.message ?? "")}`);
  }
}

/** Of a sentence too long for a status the part that says why: servers and places, which come first, fill one. */
function reasonIn(message: string): string {
  const [place = "", ...reason] = message.split(": ");
  return message.length > longestText && reason.length > 0 && place.length > 20 ? reason.join(": ") : message;
}

/** That a message was not taken, as a delivery with its once-key has arrived before or is under way. */
function statusOfEarlier({ state, location, receipt }: Delivery): NodeStatus {
  if (!receipt) return statusOf.waiting(`under way already: ${lastSegment(location)}`);
  return { ...statusOf.done(`${state} before: ${lastSegment(receipt.location)}`), shape: "ring" };
}

export interface ShownWork {
  /** Shows that a message was not taken because of this delivery. */
  earlier(delivery: Delivery): void;
  stop(): void;
}

/** Shows a node's work under it: percent and speed while it sends, then what waits, then the last result. */
export function showWork(
  node: Node,
  runner: DeliveryRunner,
  store: DeliveryStore,
  initial: NodeStatus | undefined,
): ShownWork {
  const sending = new Map<string, Progress | undefined>();
  let result = initial;
  let timer: NodeJS.Timeout | undefined;

  const refresh = async () => {
    timer = undefined;
    const { queued, waiting } = await store.counts(node.id);
    const nextDueAt = waiting > 0 ? await store.nextDueAt(node.id) : undefined;
    node.status(describe({ sending, result, waiting: queued + waiting, nextDueAt }));
  };
  const soon = () => {
    timer ??= setTimeout(() => {
      refresh().catch((error: Error) => node.status(statusOf.problem(error.message)));
    }, refreshEveryMs);
  };

  runner.on("started", ({ id }) => {
    sending.set(id, undefined);
    soon();
  });
  runner.on("progress", ({ id }, progress) => {
    sending.set(id, progress);
    soon();
  });
  runner.on("settled", (delivery) => {
    sending.delete(delivery.id);
    if (delivery.state !== "queued") result = statusOfResult(delivery);
    soon();
  });
  runner.on("lost", ({ id }) => {
    sending.delete(id);
    soon();
  });
  const stopListening = store.onChange((delivery) => {
    if (delivery.writer.id !== node.id) return;
    // A refused delivery was never sent: the runner has nothing to say about it.
    if (delivery.state === "failed" && delivery.attempts.length === 0) result = statusOfResult(delivery);
    soon();
  });
  // A setting that is wrong must be seen at once.
  if (initial) node.status(initial);
  soon();
  return {
    earlier(delivery) {
      result = statusOfEarlier(delivery);
      soon();
    },
    stop() {
      stopListening();
      clearTimeout(timer);
    },
  };
}

interface Work {
  sending: ReadonlyMap<string, Progress | undefined>;
  result: NodeStatus | undefined;
  waiting: number;
  nextDueAt: number | undefined;
}

function describe({ sending, result, waiting, nextDueAt }: Work): NodeStatus {
  const queue = waiting > 0 ? `, ${waiting} waiting` : "";
  if (sending.size > 0) return statusOf.busy(`${describeSending([...sending.values()])}${queue}`);
  if (nextDueAt !== undefined) {
    return statusOf.waiting(`${waiting} waiting, next at ${new Date(nextDueAt).toLocaleTimeString()}`);
  }
  return result ?? {};
}

function describeSending(all: (Progress | undefined)[]): string {
  const [progress] = all;
  if (all.length > 1) {
    const speed = all.reduce((sum, one) => sum + (one?.bytesPerSecond ?? 0), 0);
    return `sending ${all.length}, ${formatBytes(speed)}/s`;
  }
  if (!progress) return "sending";
  const done = progress.total
    ? `${Math.floor((100 * progress.bytes) / progress.total)} %`
    : formatBytes(progress.bytes);
  return `sending ${done}, ${formatBytes(progress.bytesPerSecond)}/s`;
}

export function lastSegment(location: string): string {
  return location.slice(location.lastIndexOf("/") + 1);
}

function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1_000 ** power).toPrecision(3))} ${units[power]}`;
}

function shorten(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text;
}
