import { DeliveryError } from "../errors";
import type { StoreBackend } from "./backend";

/** Beyond this, times look odd to people; leases bear much more. */
const noticedSkewMs = 2_000;
/** However long leases last: what a process has not told within a minute, by their clocks, others tell. */
const mostSkewMs = 20_000;

/**
 * Compares this machine's clock with that of the server that it shares with others.
 * @param readClock gives the server's clock, in milliseconds since the epoch
 * @param server names it, for people
 * @throws DeliveryError `local` when the clocks differ by more than half of `leaseMs`, or by 20 s
 */
export async function checkClock(
  readClock: () => Promise<number>,
  { server, leaseMs }: { server: string; leaseMs: number },
  onNotice: (notice: string) => void,
): Promise<void> {
  // The first one makes the connection, which takes its time.
  await readClock();
  const askedAt = Date.now();
  const serverMs = await readClock();
  const skewMs = (askedAt + Date.now()) / 2 - serverMs;
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  const sentence =
    `This machine's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} that of ${server}. ` +
    "Have all machines take their time from the network (NTP).";
  if (Math.abs(skewMs) > Math.min(leaseMs / 2, mostSkewMs)) {
    throw new DeliveryError(
      "local",
      `${sentence} Until then the store is not used: machines would take each other's work.`,
    );
  }
  if (Math.abs(skewMs) > noticedSkewMs) onNotice(sentence);
}

const checkEveryMs = 300_000;

/**
 * Compares the clocks again, now and then, before work is given out: they can be set at any time. As long as the
 * check throws, nothing is given out.
 */
export function whileClocksAgree(backend: StoreBackend, check: () => Promise<void>): StoreBackend {
  let checkedMs = performance.now();
  return {
    ...backend,
    async claimable(...request) {
      if (performance.now() - checkedMs > checkEveryMs) {
        await check();
        checkedMs = performance.now();
      }
      return backend.claimable(...request);
    },
  };
}
