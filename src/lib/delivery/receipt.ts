import type { ErrorKind } from "../errors";
import type { Delivery, DeliveryState, Verified, WriterReference } from "../types";
import { countedAttempts } from "./retry";

/** A delivery as the flow sees it, in `msg.delivery`. Times are ISO 8601 in UTC. */
export interface DeliveryRecord {
  id: string;
  state: DeliveryState;
  writer: WriterReference;
  target: string;
  /** The place for people: `s3://bucket/key`. */
  location: string;
  /** How many attempts count against the retry policy. */
  attempt: number;
  attempts: AttemptRecord[];
  startedAt: string;
  finishedAt?: string;
  elapsedMs: number;
  nextAttemptAt?: string;
  /** Why it is not tried again, once it was given up: a sentence. */
  reason?: string;
  bytes?: number;
  sha256?: string;
  verified?: Verified;
  etag?: string;
  versionId?: string;
  url?: string;
  urlExpiresAt?: string;
  notes?: string[];
}

export interface AttemptRecord {
  n: number;
  startedAt: string;
  elapsedMs: number;
  error?: { kind: ErrorKind; message: string; code?: string };
}

/** @param nowMs used for `elapsedMs` of a delivery that has not ended */
export function describeDelivery(delivery: Delivery, nowMs: number = Date.now()): DeliveryRecord {
  const { receipt } = delivery;
  const { location = delivery.location, outcome: _, notes, ...proof } = receipt ?? {};
  return {
    id: delivery.id,
    state: delivery.state,
    writer: { ...delivery.writer },
    target: delivery.target,
    location,
    ...proof,
    // The record is the flow's to change; the delivery is not.
    ...(notes && { notes: [...notes] }),
    attempt: countedAttempts(delivery.attempts),
    attempts: delivery.attempts.map((attempt) => ({
      n: attempt.n,
      startedAt: isoTime(attempt.startedAt),
      elapsedMs: attempt.elapsedMs,
      ...(attempt.error && {
        error: {
          kind: attempt.error.kind,
          message: attempt.error.message,
          ...(attempt.error.code !== undefined && { code: attempt.error.code }),
        },
      }),
    })),
    startedAt: isoTime(delivery.acceptedAt),
    ...(delivery.finishedAt !== undefined && { finishedAt: isoTime(delivery.finishedAt) }),
    elapsedMs: Math.max(0, (delivery.finishedAt ?? nowMs) - delivery.acceptedAt),
    ...(delivery.reason !== undefined && { reason: delivery.reason }),
    ...(delivery.state === "waiting" && { nextAttemptAt: isoTime(delivery.dueAt) }),
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
