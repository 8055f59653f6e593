import { interrupted } from "./errors";

/** Bounds the bytes that are held at once, whoever holds them. */
export interface ByteBudget {
  readonly totalBytes: number;
  heldBytes(): number;
  /**
   * Waits for its turn, first come first served. More than the whole budget is granted when nobody else
   * holds anything.
   * @returns gives the bytes back; further calls do nothing
   * @throws DeliveryError `cancelled` with the signal
   */
  take(bytes: number, signal: AbortSignal): Promise<() => void>;
}

interface Waiter {
  bytes: number;
  grant: () => void;
}

export function createByteBudget(totalBytes: number): ByteBudget {
  const waiters: Waiter[] = [];
  let held = 0;

  const fits = (bytes: number) => held === 0 || held + bytes <= totalBytes;
  const serve = () => {
    for (let next = waiters[0]; next && fits(next.bytes); next = waiters[0]) {
      waiters.shift();
      next.grant();
    }
  };

  return {
    totalBytes,
    heldBytes: () => held,
    take(bytes, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(interrupted());
        const onAbort = () => {
          waiters.splice(waiters.indexOf(waiter), 1);
          reject(interrupted());
          serve();
        };
        const waiter: Waiter = {
          bytes,
          grant: () => {
            signal.removeEventListener("abort", onAbort);
            held += bytes;
            let mine = bytes;
            resolve(() => {
              held -= mine;
              mine = 0;
              serve();
            });
          },
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiters.push(waiter);
        serve();
      });
    },
  };
}
