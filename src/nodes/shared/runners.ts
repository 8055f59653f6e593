import type { DeliveryRunner, DeliveryStore } from "../../lib";

const runners = new WeakMap<DeliveryStore, Map<string, DeliveryRunner>>();

/**
 * Lets others find who runs a queue of a store in this process.
 * @returns the way to say that it no longer does
 */
export function registerRunner(store: DeliveryStore, queue: string, runner: DeliveryRunner): () => void {
  const ofStore = runners.get(store) ?? new Map<string, DeliveryRunner>();
  runners.set(store, ofStore.set(queue, runner));
  return () => {
    if (ofStore.get(queue) === runner) ofStore.delete(queue);
  };
}

export function runnerOf(store: DeliveryStore, queue: string): DeliveryRunner | undefined {
  return runners.get(store)?.get(queue);
}
