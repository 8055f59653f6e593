import type { RowChange, StoreBackend, StoreRow } from "../backend";
import type { Tickets } from "./tickets";

export interface QueuedBackendContext {
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Told why the queue could not be used. Deliveries do without it meanwhile. */
  onProblem: (error: unknown) => void;
}

/**
 * Has BullMQ hand out what records say can be taken: each process draws tickets of its own instead of
 * racing the others for the same rows. Records alone decide; a ticket only says where to look. So whatever
 * is lost between the two, by a crash or by a server, is found in the records when no ticket is left, and
 * else by a look at them now and then.
 */
export function createQueuedBackend(
  records: StoreBackend,
  tickets: Tickets,
  { now, onProblem }: QueuedBackendContext,
): StoreBackend {
  /** The tickets that were drawn here, by delivery, with their queues. */
  const drawn = new Map<string, string>();

  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      onProblem(error);
      return undefined;
    }
  };

  const giveUp = async (id: string, queue: string) => {
    drawn.delete(id);
    await attempt(() => tickets.drop(queue, id));
  };

  const queueAgain = async (id: string, dueAt: number) => {
    const held = drawn.get(id);
    if (held !== undefined) {
      drawn.delete(id);
      await attempt(() => tickets.giveBack(held, id, dueAt - now()));
      return;
    }
    await attempt(async () => {
      const row = await records.get(id);
      if (row) await tickets.issue(row.queue, id, dueAt - now());
    });
  };

  /** Has the ticket follow what was done to the record. */
  const follow = async ({ id, set }: RowChange, result: "changed" | "stale" | "key-taken") => {
    const { claimableAt, owner } = set;
    if (claimableAt === undefined) return;
    const queue = drawn.get(id);
    if (result !== "changed" || claimableAt === null) {
      // Whoever was quicker needs this ticket no more than the one who has ended the delivery.
      if (queue !== undefined) await giveUp(id, queue);
    } else if (owner === null) {
      await queueAgain(id, claimableAt);
    } else if (owner === undefined && queue !== undefined) {
      // The record is what counts: a slow queue must not make the next extension late.
      void attempt(() => tickets.keep(queue, id));
    }
  };

  /** The next delivery for which there is a ticket and that can be taken. */
  const drawRow = async (queue: string, nowMs: number): Promise<StoreRow | undefined> => {
    for (;;) {
      const id = await attempt(() => tickets.draw(queue));
      if (id === undefined) return undefined;
      const row = await records.get(id);
      if (!row || row.claimableAt === null) {
        await attempt(() => tickets.drop(queue, id));
      } else if (row.claimableAt > nowMs) {
        const inMs = row.claimableAt - nowMs;
        await attempt(() => tickets.giveBack(queue, id, inMs));
      } else {
        drawn.set(id, queue);
        return row;
      }
    }
  };

  return {
    ...records,
    async insert(row) {
      const holder = await records.insert(row);
      const { claimableAt } = row;
      if (!holder && claimableAt !== null) {
        await attempt(() => tickets.issue(row.queue, row.id, claimableAt - now()));
      }
      return holder;
    },
    async change(change) {
      try {
        const result = await records.change(change);
        await follow(change, result);
        return result;
      } catch (error) {
        // Nobody knows whether the claim was made: the ticket comes back when its lock has ended.
        if (change.set.owner) drawn.delete(change.id);
        throw error;
      }
    },
    async claimable(queue, nowMs, limit) {
      if (limit <= 0) return [];
      const looked = await attempt(() => tickets.recover(queue));
      const rows = new Map<string, StoreRow>();
      const add = (some: readonly StoreRow[]) => {
        for (const row of some) if (rows.size < limit) rows.set(row.id, row);
      };
      // In a queue that never is empty, one without a ticket would wait for ever. It is the oldest in the end.
      if (looked) add(await records.claimable(queue, nowMs, 1));
      while (rows.size < limit) {
        const row = await drawRow(queue, nowMs);
        if (!row) break;
        add([row]);
      }
      if (rows.size < limit) add(await records.claimable(queue, nowMs, limit));
      return [...rows.values()].sort((one, other) => (one.claimableAt ?? 0) - (other.claimableAt ?? 0));
    },
    async close() {
      await Promise.all([tickets.close(), records.close()]);
    },
  };
}
