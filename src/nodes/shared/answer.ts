import type { Node } from "node-red";
import { toDeliveryError } from "../../lib";
import { withoutCause } from "./errors";
import { statusOf } from "./status";

/**
 * Does the work for one message, and ends it: with `done`, or with the error for the Catch nodes and the
 * status. Nothing that is thrown on the way, not even by `done`, ends Node-RED.
 */
export function answer(node: Node, done: (error?: Error) => void, work: () => Promise<void>): void {
  const fail = (error: unknown) => {
    const failure = toDeliveryError(error);
    node.status(statusOf.problem(failure.message));
    done(withoutCause(failure));
  };
  work()
    .then(() => done(), fail)
    .catch((error: unknown) => node.error(toDeliveryError(error).message));
}
