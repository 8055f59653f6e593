import type { DeliveryState } from "../types";

export const endedStates: readonly DeliveryState[] = ["delivered", "skipped", "gave-up", "cancelled"];

/** Nothing more happens to a delivery in such a state, by itself or by anybody. */
export function hasEnded(state: DeliveryState): boolean {
  return endedStates.includes(state);
}
