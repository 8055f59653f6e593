import type { DeliveryStore, Lease } from "../store/delivery-store";

/** Of what is left of a lease, how much is used: whoever stops needs the rest for letting go. */
const usedShare = 11 / 12;

/**
 * Extends a lease for as long as the work takes. Who loses it must stop: somebody else does the work. While
 * the store does not answer, it cannot be known whether somebody has taken over: when the lease is nearly
 * over it must be assumed, before two do the same work.
 * @returns the way to stop extending
 */
export function keepLease(
  store: DeliveryStore,
  lease: Lease,
  { lost, report }: { lost: () => void; report: (error: unknown) => void },
): () => void {
  if (lease.expiresAt === Infinity) return () => {};
  let leaseMs = Math.max(300, lease.expiresAt - Date.now());
  let over = false;
  let next: NodeJS.Timeout | undefined;
  let end: NodeJS.Timeout | undefined;
  const stop = () => {
    over = true;
    clearTimeout(next);
    clearTimeout(end);
  };
  const lose = () => {
    stop();
    lost();
  };
  // By a timer: the machine's clock may be set meanwhile, and after a standstill timers come first.
  const holdUntil = (expiresAt: number) => {
    clearTimeout(end);
    end = setTimeout(lose, Math.min(leaseMs, expiresAt - Date.now()) * usedShare);
  };
  const extendIn = (ms: number) => {
    next = setTimeout(extend, ms);
  };
  const extend = () => {
    const askedAt = Date.now();
    store.extend(lease).then(
      (extended) => {
        if (over) return;
        if (!extended) return lose();
        // Of a claim that came late, little was left.
        leaseMs = Math.max(leaseMs, extended.expiresAt - askedAt);
        holdUntil(extended.expiresAt);
        extendIn(leaseMs / 3);
      },
      (error: unknown) => {
        if (over) return;
        report(error);
        extendIn(leaseMs / 12);
      },
    );
  };
  holdUntil(lease.expiresAt);
  extendIn(leaseMs / 3);
  return stop;
}
