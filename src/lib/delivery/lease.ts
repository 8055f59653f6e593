import type { DeliveryStore, Lease } from "../store/delivery-store";

/**
 * Extends a lease for as long as the work takes. Who loses it must stop: somebody else does the work.
 * @returns the way to stop extending
 */
export function keepLease(
  store: DeliveryStore,
  lease: Lease,
  { lost, report }: { lost: () => void; report: (error: unknown) => void },
): () => void {
  let { expiresAt } = lease;
  if (expiresAt === Infinity) return () => {};
  const stop = () => clearInterval(timer);
  const timer = setInterval(
    () => {
      store.extend(lease).then(
        (extended) => {
          if (extended) {
            expiresAt = extended.expiresAt;
            return;
          }
          stop();
          lost();
        },
        (error: unknown) => {
          report(error);
          // It cannot be known whether somebody has taken over: then it must be assumed.
          if (Date.now() >= expiresAt) lost();
        },
      );
    },
    Math.max(100, (expiresAt - Date.now()) / 3),
  );
  return stop;
}
