import type { Node, NodeAPI } from "node-red";
import {
  cancelPlannedRuns,
  type Scheduler,
  type SchedulerParts,
  startScheduler,
  startSharedScheduler,
} from "../../lib";
import { chooseEngine } from "../shared/choose-engine";
import { schedulesOf } from "../shared/engine";
import { takeOverMs } from "../shared/taking-over";

/** Where it is kept what a schedule did last and does next. */
export interface Keeper {
  start(parts: Omit<SchedulerParts, "id" | "records">): Scheduler;
  /** The schedule then begins anew. */
  forget(): Promise<void>;
  /** Says that it is no longer needed. */
  release(): void;
}

/** In a file of this Node-RED: its schedules are its own. */
export function keptHere(RED: NodeAPI, { id }: Node): Keeper {
  const records = schedulesOf(RED);
  return {
    start: (parts) => startScheduler({ ...parts, id, records }),
    forget: async () => records.remove(id),
    release: () => {},
  };
}

/** In the store of a store node: all that have the same schedule on it run each time once between them. */
export function keptInStore(RED: NodeAPI, node: Node, storeId: string): Keeper {
  const { engine, problem, release } = chooseEngine(RED, storeId);
  const schedule = { id: node.id, type: node.type, name: node.name ?? "" };
  const { store } = engine;
  // Without it, it begins anew here.
  schedulesOf(RED).remove(node.id);
  return {
    start(parts) {
      if (problem) throw problem;
      return startSharedScheduler({ ...parts, schedule, store, settleMs: takeOverMs });
    },
    async forget() {
      if (!problem) await cancelPlannedRuns(store, schedule);
    },
    release,
  };
}
