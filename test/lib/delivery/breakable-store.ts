import { DeliveryError, type DeliveryStore } from "../../../src/lib";

type Method =
  | "accept"
  | "claim"
  | "settle"
  | "markAnnounced"
  | "nextDueAt"
  | "get"
  | "list"
  | "extend"
  | "refuse";

export interface BreakableStore {
  readonly store: DeliveryStore;
  /**
   * The next `times` calls fail: before anything was done, or after all was done, as when only the
   * answer is lost.
   */
  break(method: Method, times: number, when?: "before" | "after"): void;
  /** How often each method was called. */
  readonly calls: Partial<Record<Method, number>>;
}

/** A store whose disk is full at times. */
export function breakable(store: DeliveryStore): BreakableStore {
  const faults = new Map<Method, { left: number; when: "before" | "after" }>();
  const calls: BreakableStore["calls"] = {};
  const wrap = <A extends unknown[], R>(method: Method, run: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      calls[method] = (calls[method] ?? 0) + 1;
      const fault = faults.get(method);
      const breaks = fault !== undefined && fault.left-- > 0;
      if (breaks && fault.when === "before") throw full();
      const result = await run(...args);
      if (breaks) throw full();
      return result;
    };
  };
  return {
    calls,
    break: (method, times, when = "before") => faults.set(method, { left: times, when }),
    store: {
      ...store,
      accept: wrap("accept", store.accept),
      refuse: wrap("refuse", store.refuse),
      claim: wrap("claim", store.claim),
      extend: wrap("extend", store.extend),
      settle: wrap("settle", store.settle),
      get: wrap("get", store.get),
      list: wrap("list", store.list),
      markAnnounced: wrap("markAnnounced", store.markAnnounced),
      nextDueAt: wrap("nextDueAt", store.nextDueAt),
    },
  };
}

function full(): DeliveryError {
  return new DeliveryError("local", "The store cannot be written: the disk is full.");
}
