import type { StoreBackend } from "./backend";

/** A clock that is watched for being set back, by the network or by a hand. */
export interface WatchedClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Sees to it that what the queue holds does not stand still until the clock has caught up with what it, or
   * that of whoever used the store before, has shown.
   */
  catchUp(queue: string): Promise<void>;
}

/** Nobody tells when another machine's clock was ahead, and its process has left its deliveries to others. */
const lookAgainMs = 60_000;

/** @param alone whether all times in the store are of this clock, and none of other machines' */
export function watchClock(
  read: () => number,
  { hasten }: Pick<StoreBackend, "hasten">,
  { alone }: { alone: boolean },
): WatchedClock {
  let latestMs = -Infinity;
  let setBackMs = 0;
  /** When a queue was seen to, and by how much the clock had been set back in all until then. */
  const seenTo = new Map<string, { atMs: number; setBackMs: number }>();

  const now = () => {
    const nowMs = read();
    setBackMs += Math.max(0, latestMs - nowMs);
    latestMs = nowMs;
    return nowMs;
  };

  return {
    now,
    async catchUp(queue) {
      const nowMs = now();
      const before = seenTo.get(queue);
      const atMs = performance.now();
      if (before?.setBackMs === setBackMs && (alone || atMs - before.atMs < lookAgainMs)) return;
      seenTo.set(queue, { atMs, setBackMs });
      try {
        await hasten(queue, nowMs, alone ? setBackMs - (before?.setBackMs ?? 0) : 0);
      } catch (error) {
        if (before) seenTo.set(queue, before);
        else seenTo.delete(queue);
        throw error;
      }
    },
  };
}
