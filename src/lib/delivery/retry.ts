import { type ErrorKind, type ErrorRecord, errorKinds, retryableKinds, uncountedKinds } from "../errors";
import { readOptions } from "../options";
import type { DeliveryStore } from "../store/delivery-store";
import type { Attempt, Delivery } from "../types";

/** When to try a failed delivery again. */
export interface RetryPolicy {
  /** All attempts, the first one included. */
  attempts: number;
  firstDelayMs: number;
  /** Each wait is this many times the one before. */
  factor: number;
  /**
   * No computed wait is longer than this, jitter included; only a failure that is not counted waits at
   * least a second.
   */
  maxDelayMs: number;
  /** From 0 to 1: a wait is shortened or lengthened by up to this share, at random. */
  jitter: number;
  /** No attempt starts later than this after the delivery was accepted. */
  timeLimitMs: number;
  kinds: readonly ErrorKind[];
  /** Further errors to retry by their code, such as `550`, whatever their kind. */
  codes: readonly string[];
}

export const standardPolicy: RetryPolicy = {
  attempts: 6,
  firstDelayMs: 30_000,
  factor: 2,
  maxDelayMs: 600_000,
  jitter: 0.15,
  timeLimitMs: 3_600_000,
  kinds: retryableKinds,
  codes: [],
};

export const threeQuickTries: RetryPolicy = {
  ...standardPolicy,
  attempts: 3,
  firstDelayMs: 1_000,
  jitter: 0,
};

/** @throws DeliveryError `invalid` that lists every problem; what is absent comes from the standard. */
export function readRetryPolicy(input: unknown): RetryPolicy {
  const yearMs = 365 * 86_400_000;
  return readOptions("Retry policy", input, (options) => ({
    attempts: options.number("attempts", { min: 1, max: 1_000, default: 6, integer: true }),
    firstDelayMs: options.number("firstDelayMs", { min: 0, max: yearMs, default: 30_000 }),
    factor: options.number("factor", { min: 1, max: 100, default: 2 }),
    maxDelayMs: options.number("maxDelayMs", { min: 0, max: yearMs, default: 600_000 }),
    jitter: options.number("jitter", { min: 0, max: 1, default: 0.15 }),
    timeLimitMs: options.number("timeLimitMs", { min: 0, max: yearMs, default: 3_600_000 }),
    kinds: options.list("kinds", errorKinds, retryableKinds),
    codes: (options.optionalString("codes") ?? "")
      .split(",")
      .map((code) => code.trim())
      .filter((code) => code !== ""),
  }));
}

export type RetryDecision = { retry: true; delayMs: number } | { retry: false; reason: string };

export interface RetrySituation {
  /** Those so far, the failed one included. */
  attempts: readonly Attempt[];
  error: ErrorRecord;
  /** Since the delivery was accepted. */
  elapsedMs: number;
}

/** Starting over cures a changed source at most a few times; after that it is never at rest. */
const changedAttempts = 3;

/** No count ends failures that are not counted; without waits they would keep the machine busy. */
const shortestPauseMs = 1_000;

/** A failure of our own machine or a redeploy says nothing about the delivery, so it is not counted. */
export function countedAttempts(attempts: readonly Attempt[]): number {
  return attempts.filter(isCounted).length;
}

function isCounted({ error }: Pick<Attempt, "error">): boolean {
  return !error || !uncountedKinds.includes(error.kind);
}

/**
 * Decides what follows a failed attempt. Pure: the same situation and the same random number give the
 * same answer.
 * @param random in [0, 1)
 */
export function decideRetry(
  policy: RetryPolicy,
  { attempts, error, elapsedMs }: RetrySituation,
  random: () => number = Math.random,
): RetryDecision {
  const giveUp = (reason: string): RetryDecision => ({ retry: false, reason });
  // It was refused, and what was kept of it is not what was to be delivered.
  if (attempts.length === 0) return giveUp("It was not accepted, so that there is nothing to try again.");
  const byCode = error.code !== undefined && policy.codes.includes(error.code);
  if (error.kind === "internal" || !(byCode || policy.kinds.includes(error.kind))) {
    return giveUp(`Errors of the kind "${error.kind}" are not tried again.`);
  }
  const counted = countedAttempts(attempts);
  const most = Math.min(policy.attempts, error.kind === "changed" ? changedAttempts : Infinity);
  // What is not counted may all the same be pointless to try again and again.
  const alike = isCounted({ error })
    ? counted
    : attempts.filter((attempt) => attempt.error?.code === error.code).length;
  if (counted >= most || alike >= (error.maxAttempts ?? Infinity)) {
    const made = Math.max(counted, alike);
    return giveUp(made === 1 ? "One attempt was made." : `All ${made} attempts failed.`);
  }

  const { retryAfterMs = -1 } = error;
  const wantedMs = retryAfterMs >= 0 ? retryAfterMs : computeDelayMs(policy, attempts, error, random);
  const delayMs = isCounted({ error }) ? wantedMs : Math.max(shortestPauseMs, wantedMs);
  if (elapsedMs + delayMs > policy.timeLimitMs) {
    return giveUp(`The next attempt would start after the time limit of ${describeMs(policy.timeLimitMs)}.`);
  }
  return { retry: true, delayMs };
}

function computeDelayMs(
  policy: RetryPolicy,
  attempts: readonly Attempt[],
  error: ErrorRecord,
  random: () => number,
): number {
  const failures = isCounted({ error })
    ? countedAttempts(attempts)
    : attempts.length - 1 - attempts.findLastIndex(isCounted);
  // Who is asked to slow down and not told for how long waits one step longer.
  const step = Math.max(0, failures - 1) + (error.kind === "throttled" ? 1 : 0);
  // A hundred to the power of a thousand is infinite, and no waits times infinity is not a number.
  const grownMs = policy.firstDelayMs === 0 ? 0 : policy.firstDelayMs * policy.factor ** step;
  const jittered = Math.min(policy.maxDelayMs, grownMs) * (1 + policy.jitter * (2 * random() - 1));
  return Math.round(Math.min(policy.maxDelayMs, jittered));
}

function describeMs(ms: number): string {
  if (ms >= 3_600_000) return `${round(ms / 3_600_000)} h`;
  if (ms >= 60_000) return `${round(ms / 60_000)} min`;
  return `${round(ms / 1_000)} s`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export type RetryOutcome =
  | { state: "waiting"; delivery: Delivery }
  | { state: "gave-up"; delivery: Delivery }
  /** It is unknown here, or not failed (any more): somebody else has decided. */
  | { state: "untouched"; delivery: Delivery | undefined };

export interface RetryRequest {
  /** The delivery's. */
  id: string;
  policy: RetryPolicy;
  /** The id of whoever decides. */
  by: string;
  now?: () => number;
}

/**
 * Lets a policy decide on a failed delivery and notes the decision in the store: it waits, and goes back
 * to its writer when due, or it is given up.
 */
export async function retryDelivery(
  store: DeliveryStore,
  { id, policy, by, now = Date.now }: RetryRequest,
): Promise<RetryOutcome> {
  const failed = await store.get(id);
  if (failed?.state !== "failed" || !failed.error) return { state: "untouched", delivery: failed };
  const decision = decideRetry(policy, {
    attempts: failed.attempts,
    error: failed.error,
    elapsedMs: now() - failed.acceptedAt,
  });
  const giveUp = async (reason: string): Promise<RetryOutcome> => {
    const delivery = await store.giveUp(id, { reason, by });
    return delivery ? { state: "gave-up", delivery } : { state: "untouched", delivery: await store.get(id) };
  };
  if (!decision.retry) return giveUp(decision.reason);
  const waiting = await store.retryAt(id, now() + decision.delayMs);
  if (waiting) return { state: "waiting", delivery: waiting };
  const current = await store.get(id);
  if (current?.version !== failed.version) return { state: "untouched", delivery: current };
  return giveUp("Another delivery with the same key has taken its place.");
}
