import type { NodeAPI } from "node-red";
import { type DeliveryError, toDeliveryError } from "../../lib";
import { useConnection } from "./connection-node";
import { type Engine, engineOf } from "./engine";

export interface ChosenEngine {
  readonly engine: Engine;
  /** Why the chosen store cannot be used; `engine` is then that of this Node-RED. */
  readonly problem?: DeliveryError;
  /** Says that it is no longer needed. */
  release(): void;
}

/** The engine of the store node with this id, or that of this Node-RED when none is chosen. */
export function chooseEngine(RED: NodeAPI, storeId: string | undefined): ChosenEngine {
  const own = { engine: engineOf(RED), release: () => {} };
  if (!storeId) return own;
  try {
    const { connection, release } = useConnection<Engine>(RED, storeId, "delivery-store", "delivery store");
    return { engine: connection, release };
  } catch (error) {
    return { ...own, problem: toDeliveryError(error) };
  }
}
