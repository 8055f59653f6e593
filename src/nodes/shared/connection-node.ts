import type { Node, NodeAPI } from "node-red";
import { DeliveryError, inUnit, toDeliveryError } from "../../lib";
import { msPerSecond } from "./units";

export interface Closable {
  /** @param removed whether the node will be gone after the deploy */
  close(removed: boolean): void | Promise<void>;
}

/** A config node that owns one connection. */
export interface ConnectionNode<Credentials extends object = object, Connection = Closable>
  extends Node<Credentials> {
  connection?: Connection;
  problem?: DeliveryError;
  users: number;
}

/** As the dialogs of servers have them. */
export interface TimeoutSettings {
  connectTimeoutSeconds?: string | number;
  idleTimeoutSeconds?: string | number;
}

/** As the library's options have them. */
export function timeoutsOf({ connectTimeoutSeconds, idleTimeoutSeconds }: TimeoutSettings) {
  return {
    connectTimeoutMs: inUnit("connectTimeoutSeconds", connectTimeoutSeconds, msPerSecond),
    idleTimeoutMs: inUnit("idleTimeoutSeconds", idleTimeoutSeconds, msPerSecond),
  };
}

const longestWaitMs = 12_000;

/**
 * Gives a config node its connection, until it is closed. Settings that make none are kept as the problem
 * that every user of the node then reports.
 */
export function keepConnection<Credentials extends object>(
  node: ConnectionNode<Credentials>,
  create: (credentials: Partial<Credentials>) => Closable,
): void {
  node.users = 0;
  try {
    node.connection = create(node.credentials ?? {});
  } catch (error) {
    node.problem = toDeliveryError(error);
    node.error(node.problem.message);
  }
  node.on("close", (removed: boolean, done: () => void) => {
    // Node-RED closes all nodes at once; transfers under way still need the connection for a while.
    whenUnused(node)
      .then(() => node.connection?.close(removed))
      .then(done, done);
  });
}

/**
 * The connection of the config node with this id, and the way to say that it is no longer needed.
 * @param label what is chosen, for the sentence: `S3 connection`
 * @throws DeliveryError `invalid` when none is chosen, or the chosen one is missing or badly set up
 */
export function useConnection<Connection>(
  RED: NodeAPI,
  id: string,
  type: string,
  label: string,
): { connection: Connection; release: () => void } {
  if (!id) {
    throw new DeliveryError("invalid", `No ${label} is chosen. Open the node and choose or add one.`);
  }
  const node = RED.nodes.getNode(id) as ConnectionNode<object, Connection> | null;
  if (node?.type !== type) {
    throw new DeliveryError("invalid", `The chosen ${label} is missing or disabled. Choose another one.`);
  }
  if (!node.connection) throw node.problem ?? new DeliveryError("invalid", `The ${label} is not set up.`);
  node.users += 1;
  return {
    connection: node.connection,
    release: () => {
      node.users -= 1;
    },
  };
}

async function whenUnused(node: { users: number }): Promise<void> {
  const deadlineMs = performance.now() + longestWaitMs;
  while (node.users > 0 && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
