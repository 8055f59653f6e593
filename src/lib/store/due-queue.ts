import type { Delivery } from "../types";

/** The deliveries of one writer that wait for their turn or their time. */
export interface DueQueue {
  add(delivery: Delivery): void;
  remove(delivery: Delivery): void;
  takeDue(nowMs: number, limit: number): string[];
  nextDueAt(): number | undefined;
}

/** Ordered by due time, then by arrival; both inserting and removing find their place by bisection. */
export function createDueQueue(): DueQueue {
  const entries: { dueAt: number; order: number; id: string }[] = [];
  const orders = new Map<string, number>();
  let arrivals = 0;

  const position = (dueAt: number, order: number): number => {
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = entries[middle];
      if (entry && (entry.dueAt < dueAt || (entry.dueAt === dueAt && entry.order < order))) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    add({ id, dueAt }) {
      const order = arrivals++;
      orders.set(id, order);
      entries.splice(position(dueAt, order), 0, { dueAt, order, id });
    },
    remove({ id, dueAt }) {
      const order = orders.get(id);
      if (order === undefined) return;
      orders.delete(id);
      const at = position(dueAt, order);
      if (entries[at]?.id === id) entries.splice(at, 1);
    },
    takeDue(nowMs, limit) {
      const count = Math.min(limit, position(nowMs, Infinity));
      return entries.slice(0, count).map(({ id }) => id);
    },
    nextDueAt: () => entries[0]?.dueAt,
  };
}
