/** The deliveries of one writer that wait for their turn or their time. */
export interface DueQueue {
  add(id: string, dueAt: number): void;
  remove(id: string): void;
  /** The ids of those that are due, earliest first. They stay in the queue until they are removed. */
  due(nowMs: number, limit: number): string[];
  nextDueAt(): number | undefined;
}

interface Entry {
  dueAt: number;
  order: number;
  id: string;
}

/** Ordered by due time, then by arrival; both inserting and removing find their place by bisection. */
export function createDueQueue(): DueQueue {
  const entries: Entry[] = [];
  const entriesById = new Map<string, Entry>();
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

  const remove = (id: string): void => {
    const entry = entriesById.get(id);
    if (!entry) return;
    entriesById.delete(id);
    entries.splice(position(entry.dueAt, entry.order), 1);
  };

  return {
    remove,
    add(id, dueAt) {
      remove(id);
      const entry = { dueAt, order: arrivals++, id };
      entriesById.set(id, entry);
      entries.splice(position(dueAt, entry.order), 0, entry);
    },
    due: (nowMs, limit) => entries.slice(0, Math.min(limit, position(nowMs, Infinity))).map(({ id }) => id),
    nextDueAt: () => entries[0]?.dueAt,
  };
}
