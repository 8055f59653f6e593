import type { NodeAPI } from "node-red";
import { readOptions, toDeliveryError } from "../../lib";

/** How long what has ended is kept, to be looked at and sent again. */
export interface KeepLimits {
  ageMs: number;
  /** Of all content on the disk. */
  bytes: number;
  /** In each store. */
  deliveries: number;
}

/** In settings.js, where the file of this Node-RED has no node for it: `deliveryStore: { keepDays: 7 }`. */
export function readKeepLimits({ settings, log }: Pick<NodeAPI, "settings" | "log">): KeepLimits {
  const { deliveryStore = {} } = settings as { deliveryStore?: unknown };
  try {
    return keepLimits(deliveryStore);
  } catch (error) {
    log.error(
      `data distribution: ${toDeliveryError(error).message} The usual limits hold until it is mended.`,
    );
    return keepLimits({});
  }
}

function keepLimits(input: unknown): KeepLimits {
  return readOptions("deliveryStore in settings.js", input, (options) => ({
    ageMs: options.number("keepDays", { min: 1, max: 3_650, default: 7 }) * 86_400_000,
    bytes: options.number("keepGigabytes", { min: 0, max: 1_000_000, default: 10 }) * 1e9,
    deliveries: options.number("keepDeliveries", { min: 0, max: 1_000_000, default: 10_000, integer: true }),
  }));
}
