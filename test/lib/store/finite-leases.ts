import type { DeliveryStore, Lease } from "../../../src/lib";

export interface LeaseOptions {
  leaseMs: number;
  now: () => number;
}

/** Lets the leases of a store end, as those of a store that several processes share must. */
export function withFiniteLeases(store: DeliveryStore, { leaseMs, now }: LeaseOptions): DeliveryStore {
  const leases = new Map<string, Lease>();
  const holds = ({ deliveryId, version }: Lease) => leases.get(deliveryId)?.version === version;

  const releaseExpired = async (): Promise<void> => {
    for (const lease of [...leases.values()]) {
      if (lease.expiresAt >= now()) continue;
      leases.delete(lease.deliveryId);
      await store.settle(lease, { state: "released" });
    }
  };

  return {
    ...store,
    async claim(queue, owner, limit) {
      await releaseExpired();
      const claims = await store.claim(queue, owner, limit);
      return claims.map(({ lease, delivery }) => {
        const finite = { ...lease, expiresAt: now() + leaseMs };
        leases.set(lease.deliveryId, finite);
        return { lease: finite, delivery };
      });
    },
    async extend(lease) {
      if (!holds(lease)) return undefined;
      const extended = { ...lease, expiresAt: now() + leaseMs };
      leases.set(lease.deliveryId, extended);
      return extended;
    },
    async settle(lease, settlement) {
      if (!holds(lease)) return undefined;
      leases.delete(lease.deliveryId);
      return store.settle(lease, settlement);
    },
  };
}
