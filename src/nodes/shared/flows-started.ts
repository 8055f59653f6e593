import type { NodeAPI } from "node-red";

const toStart = new WeakMap<object, Set<() => void>>();

/**
 * Calls back once the flows run: what a node sends before that is lost.
 * @returns the way to call it off
 */
export function whenFlowsStarted({ events }: Pick<NodeAPI, "events">, callback: () => void): () => void {
  const waiting = toStart.get(events) ?? new Set();
  if (!toStart.has(events)) {
    toStart.set(events, waiting);
    // One listener for all: an emitter warns of a leak when it has more than ten.
    events.on("flows:started", () => {
      const due = [...waiting];
      waiting.clear();
      for (const start of due) start();
    });
  }
  waiting.add(callback);
  return () => waiting.delete(callback);
}
