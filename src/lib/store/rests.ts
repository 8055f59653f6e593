import { setImmediate } from "node:timers/promises";

/** Well below the 20 ms that the event loop may stand still: machines are slow, or busy with other things. */
const restEveryMs = 5;

/**
 * For work on many records that nothing else interrupts: awaited after each of them, what this gives lets all
 * others have their turn whenever some milliseconds have passed.
 */
export function createRests(): () => Promise<void> {
  let sinceMs = performance.now();
  return async () => {
    if (performance.now() - sinceMs < restEveryMs) return;
    await setImmediate();
    sinceMs = performance.now();
  };
}
