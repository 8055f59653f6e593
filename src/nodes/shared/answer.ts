import type { Node, NodeMessage } from "node-red";
import { toDeliveryError } from "../../lib";
import { withoutCause } from "./errors";
import { statusOf } from "./status";

export interface Question {
  msg: NodeMessage;
  done: (error?: Error) => void;
}

/**
 * Does the work for one message, and ends it: with `done`, or with the error for the Catch nodes and the
 * status. Nothing that is thrown on the way, not even by `done`, ends Node-RED.
 */
export function answer(node: Node, { msg, done }: Question, work: () => Promise<void>): void {
  const fail = (error: unknown) => {
    const failure = toDeliveryError(error);
    node.status(statusOf.problem(failure.message));
    try {
      done(withoutCause(failure));
    } catch {
      // Catch nodes get a copy of the message, and this one cannot be copied: they get its id.
      node.error(withoutCause(failure), { _msgid: msg._msgid });
    }
  };
  work()
    .then(() => done(), fail)
    .catch((error: unknown) => node.error(toDeliveryError(error).message));
}
