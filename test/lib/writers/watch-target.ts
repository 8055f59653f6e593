import { setTimeout as sleep } from "node:timers/promises";
import type { WriterHarness } from "./contract";

export interface Sightings {
  looks: number;
  /** How many looks found no file. */
  absent: number;
  /** Every content that was found, each once. */
  contents: Buffer[];
}

export interface TargetWatcher {
  /** Looks once more and tells everything that was seen. */
  stop(): Promise<Sightings>;
}

const betweenLooksMs = 20;

/** Lists and reads the target every 20 ms. */
export function watchTarget(harness: WriterHarness, target: string): TargetWatcher {
  const seen: Sightings = { looks: 0, absent: 0, contents: [] };
  let watching = true;
  const look = async () => {
    const listed = (await harness.list()).includes(target);
    const bytes = await harness.read(target);
    seen.looks++;
    if (bytes === undefined) seen.absent++;
    else if (!seen.contents.some((content) => content.equals(bytes))) seen.contents.push(bytes);
    if (listed && bytes === undefined) throw new Error(`${target} is listed but cannot be read.`);
  };
  const run = async () => {
    while (watching) {
      await look();
      await sleep(betweenLooksMs);
    }
    await look();
    return seen;
  };
  const result = run();
  // Reported by stop; not as an unhandled rejection meanwhile.
  result.catch(() => {});
  return {
    stop() {
      watching = false;
      return result;
    },
  };
}
