import type { DeliveryState } from "../types";

/** In the order in which a delivery may pass through them. */
export const deliveryStates: readonly DeliveryState[] = [
  "queued",
  "sending",
  "waiting",
  "failed",
  "delivered",
  "skipped",
  "gave-up",
  "cancelled",
];

export const endedStates: readonly DeliveryState[] = ["delivered", "skipped", "gave-up", "cancelled"];

export const unfinishedStates: readonly DeliveryState[] = ["queued", "sending", "waiting", "failed"];

/** Nothing more happens to a delivery in such a state, by itself or by anybody. */
export function hasEnded(state: DeliveryState): boolean {
  return endedStates.includes(state);
}
