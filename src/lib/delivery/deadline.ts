import { DeliveryError } from "../errors";

/** How long an attempt may take: `fixedMs`, and the time for its content at the slowest rate that makes sense. */
export interface AttemptLimits {
  /** For everything but the content. Default: 10 minutes. */
  fixedMs?: number;
  /** Default: 10 KiB/s. */
  slowestBytesPerSecond?: number;
}

export interface Deadline {
  /** Aborted with the outer signal and its reason, or with `error` when the time is over. */
  readonly signal: AbortSignal;
  /** Set when the time is over. */
  readonly error: DeliveryError | undefined;
  /** The clock runs from the first call on. */
  start(): void;
  /** Lets go of the timer and the outer signal. */
  stop(): void;
}

/** A timer for longer fires at once. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * A limit for a transfer that goes on and on without an end. It is no substitute for the limits on silence,
 * which writers and sources have themselves: those end what is stalled long before.
 * @param bytes of the content; when nobody knows them there is no limit
 */
export function createDeadline(
  outer: AbortSignal,
  bytes: number | undefined,
  { fixedMs = 10 * 60_000, slowestBytesPerSecond = 10 * 1024 }: AttemptLimits,
): Deadline {
  const controller = new AbortController();
  const abort = () => controller.abort(outer.reason);
  const limitMs = bytes === undefined ? undefined : fixedMs + (bytes / slowestBytesPerSecond) * 1_000;
  let timer: NodeJS.Timeout | undefined;
  let error: DeliveryError | undefined;

  const wait = (endMs: number): void => {
    const restMs = endMs - performance.now();
    if (restMs > 0) {
      timer = setTimeout(() => wait(endMs), Math.min(restMs, longestTimerMs));
      return;
    }
    error = tooLong(bytes ?? 0, limitMs ?? 0, slowestBytesPerSecond);
    controller.abort(error);
  };

  if (outer.aborted) abort();
  else outer.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    get error() {
      return error;
    },
    start() {
      if (timer === undefined && limitMs !== undefined) wait(performance.now() + limitMs);
    },
    stop() {
      clearTimeout(timer);
      outer.removeEventListener("abort", abort);
    },
  };
}

function tooLong(bytes: number, limitMs: number, slowestBytesPerSecond: number): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `The attempt was ended after ${durationOf(limitMs)}: ${bytes} bytes came through slower than ${slowestBytesPerSecond} bytes a second. Look after the network and the server, or send less at the same time.`,
    { code: "ETIMEDOUT" },
  );
}

function durationOf(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 120) return `${Number(seconds.toPrecision(2))} seconds`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds / 3_600)} hours`;
}
