import { DeliveryError } from "../../src/lib";
import type { StoreBackend } from "../../src/lib/store/backend";

/** Which call fails, counted from 1: before anything was done, or after, as when only the answer is lost. */
export interface FailingStep {
  step: number;
  when: "before" | "after";
}

export interface FailingBackend {
  readonly backend: StoreBackend;
  /** The calls so far, by the method. */
  readonly calls: readonly string[];
}

/** A backend of which one call fails, as if the disk were full for a moment. */
export function failingBackend(backend: StoreBackend, { step, when }: FailingStep): FailingBackend {
  const calls: string[] = [];
  const wrap = <A extends unknown[], R>(name: string, call: (...parameters: A) => Promise<R>) => {
    return async (...parameters: A): Promise<R> => {
      const fails = calls.push(name) === step;
      if (fails && when === "before") throw full();
      const result = await call(...parameters);
      if (fails) throw full();
      return result;
    };
  };
  return {
    calls,
    backend: {
      insert: wrap("insert", backend.insert),
      change: wrap("change", backend.change),
      get: wrap("get", backend.get),
      claimable: wrap("claimable", backend.claimable),
      hasten: wrap("hasten", backend.hasten),
      nextClaimableAt: wrap("nextClaimableAt", backend.nextClaimableAt),
      remove: wrap("remove", backend.remove),
      agree: wrap("agree", backend.agree),
      list: wrap("list", backend.list),
      counts: wrap("counts", backend.counts),
      prune: wrap("prune", backend.prune),
      close: () => backend.close(),
    },
  };
}

function full(): DeliveryError {
  return new DeliveryError("local", "The store cannot be written: the disk is full.");
}
