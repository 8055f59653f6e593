import type { Node, NodeMessage, NodeMessageInFlow } from "node-red";
import { type Delivery, toDeliveryError } from "../../lib";
import { withoutCause } from "./errors";
import type { LargeValues } from "./large-values";
import { describeError } from "./result-message";

export type Send = (messages: (NodeMessage | null)[]) => void;
export type Done = (error?: Error) => void;

/** Who has sent a message here and may still hear what became of it. */
export interface Caller {
  send: Send;
  done: Done;
  msg: NodeMessage;
  /** What of the message no store can keep. */
  live: object;
  /** What of `msg` is let go while it waits. */
  large: LargeValues;
}

export interface Result {
  node: Node;
  /** Absent when the message came in before a deploy, or the delivery was tried again. */
  caller: Caller | undefined;
  delivery: Delivery;
  message: NodeMessage;
}

/** Sends the result out where the flow expects it, or hands it to Catch nodes where nobody listens. */
export function tellResult({ node, caller, delivery, message }: Result): void {
  const send: Send = caller?.send ?? ((messages) => node.send(messages));
  if (delivery.state === "delivered" || delivery.state === "skipped") {
    send([message, null]);
    end(node, caller);
    return;
  }
  if (isWired(node, 1)) {
    send([null, message]);
    end(node, caller);
    return;
  }
  // Nobody listens at the failed output, so that a Catch node must hear of it.
  const thrown = withoutCause(describeError(delivery));
  if (caller) {
    const { error: _, ...told } = message;
    Object.assign(caller.msg, told);
    caller.done(thrown);
  } else {
    node.error(thrown, message as NodeMessageInFlow);
  }
}

/** What was sent must not be sent again only because Complete nodes cannot have a copy of the message. */
function end(node: Node, caller: Caller | undefined): void {
  try {
    caller?.done();
  } catch (error) {
    node.error(toDeliveryError(error).message);
  }
}

function isWired(node: Node, output: number): boolean {
  const { wires } = node as Node & { wires?: string[][] };
  return (wires?.[output]?.length ?? 0) > 0;
}
