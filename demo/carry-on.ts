import type { Delivery } from "../src/lib";
import type { Demo } from "./check-run";
import { printLeft, printWaiting } from "./printing";
import { watch } from "./watch";

/** Says how what a demo that was killed has left comes to its end. It never ends by itself. */
export async function carryOn(demo: Demo, left: readonly Delivery[]): Promise<never> {
  printLeft(
    left.map(({ writer, location, target }) =>
      writer.type === "delivery-notify" ? `mail to ${target}` : location || target,
    ),
  );
  printWaiting(demo.nodeRed);
  return watch(demo, "start");
}
