import { DeliveryError, type ErrorRecord, takenOverCode, toErrorRecord } from "../errors";
import type { Claim, DeliveryStore, Settlement } from "../store/delivery-store";
import type { Attempt, Delivery } from "../types";

/** Why a runner interrupts an attempt. */
export const cancelledByPerson = new DeliveryError("cancelled", "The delivery was cancelled.");
export const closing = new DeliveryError(
  "cancelled",
  "The delivery was interrupted by a deploy or a shutdown.",
);
export const leaseLost = new DeliveryError("cancelled", "Another process has taken over the delivery.", {
  code: takenOverCode,
});

/** What an attempt that threw means for its delivery. */
export function settleFailure(
  error: DeliveryError,
  signal: AbortSignal,
  ended: (error: ErrorRecord) => Attempt,
): Settlement {
  if (signal.aborted && signal.reason === cancelledByPerson) {
    return { state: "cancelled", error: toErrorRecord(cancelledByPerson) };
  }
  // Whatever the transport makes of an abort, the attempt was interrupted and proves nothing.
  if (signal.aborted) return { state: "released" };
  const record = toErrorRecord(error);
  return { state: "failed", attempt: ended(record), error: record };
}

/**
 * Why a delivery was not even accepted. What passes by itself brings nothing back here: there is no content
 * that could be tried again, and whoever reads it must know that it is theirs to send it anew.
 */
export function refusalOf(error: DeliveryError): ErrorRecord {
  const record = toErrorRecord(error);
  if (!record.retryable) return record;
  const advice = "It was not accepted, so nothing tries it again: send it anew when that has passed.";
  return { ...record, message: `${record.message} ${advice}`, retryable: false };
}

/** A store that could not do its work is asked again after this time. */
export const storeRecoveryMs = 5_000;

export interface SettleOptions {
  /** Lets nobody wait for longer than one more try; it is then tried on without them. */
  signal: AbortSignal;
  report: (error: unknown) => void;
  /** Called when the store can do its work again. */
  recovered: () => void;
}

/**
 * Settles, again and again while the store cannot: what an attempt has done must not be forgotten, nor
 * done twice.
 * @returns undefined when the lease is lost, or the store has not recovered before the signal
 */
export async function settleUntilKept(
  store: DeliveryStore,
  claim: Claim,
  settlement: Settlement,
  { signal, report, recovered }: SettleOptions,
): Promise<Delivery | undefined> {
  for (let failed = false; ; ) {
    try {
      const settled = await store.settle(claim, settlement);
      if (failed) recovered();
      return settled;
    } catch (error) {
      failed = true;
      report(error);
      if (signal.aborted) {
        void settleLater(store, claim, settlement);
        return undefined;
      }
      await pause(storeRecoveryMs, signal);
    }
  }
}

/** Where a claim has no end, nobody else can settle it, or take the delivery up, until the process ends. */
async function settleLater(store: DeliveryStore, claim: Claim, settlement: Settlement): Promise<void> {
  do {
    await new Promise((resolve) => setTimeout(resolve, storeRecoveryMs).unref());
    try {
      await store.settle(claim, settlement);
      return;
    } catch {
      // Its runner has told of that.
    }
  } while (Date.now() < claim.lease.expiresAt);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

/** Anything but a DeliveryError is a bug; what it says may hold a secret, so only its frames are kept. */
export function toDeliveryError(thrown: unknown): DeliveryError {
  if (thrown instanceof DeliveryError) return thrown;
  const name = thrown instanceof Error ? thrown.name : typeof thrown;
  const message = `An unexpected ${name} stopped the delivery. Please report it.`;
  const error = new DeliveryError("internal", message, { cause: thrown });
  if (thrown instanceof Error) {
    const { stack = "" } = thrown;
    // A message of several lines can look like frames.
    const afterMessage = stack.indexOf(thrown.message) + thrown.message.length;
    const frames = stack.slice(afterMessage).match(/^ +at .*$/gm) ?? [];
    error.stack = [`${error.name}: ${error.message}`, ...frames].join("\n");
  }
  return error;
}
