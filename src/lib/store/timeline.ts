/** Deliveries in the order of a time of theirs: when they are due, or when they finished. */
export interface Timeline {
  readonly size: number;
  add(id: string, at: number): void;
  remove(id: string): void;
  /** Up to `limit` of those whose time is `until` at the latest, earliest first. They stay until they are removed. */
  first(limit: number, until?: number): string[];
  firstAt(): number | undefined;
  /** Those whose time is later, earliest first. */
  after(at: number): string[];
}

interface Entry {
  at: number;
  order: number;
  id: string;
}

/** Ordered by time, then by arrival; both inserting and removing find their place by bisection. */
export function createTimeline(): Timeline {
  const entries: Entry[] = [];
  const entriesById = new Map<string, Entry>();
  let arrivals = 0;

  const position = (at: number, order: number): number => {
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = entries[middle];
      if (entry && (entry.at < at || (entry.at === at && entry.order < order))) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const remove = (id: string): void => {
    const entry = entriesById.get(id);
    if (!entry) return;
    entriesById.delete(id);
    entries.splice(position(entry.at, entry.order), 1);
  };

  return {
    get size() {
      return entries.length;
    },
    remove,
    add(id, at) {
      remove(id);
      const entry = { at, order: arrivals++, id };
      entriesById.set(id, entry);
      entries.splice(position(at, entry.order), 0, entry);
    },
    first: (limit, until = Infinity) =>
      entries.slice(0, Math.min(limit, position(until, Infinity))).map(({ id }) => id),
    firstAt: () => entries[0]?.at,
    after: (at) => entries.slice(position(at, Infinity)).map(({ id }) => id),
  };
}
