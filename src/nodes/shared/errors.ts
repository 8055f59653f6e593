import type { NodeMessage } from "node-red";

interface Told {
  message: string;
  code?: string | undefined;
  stack?: string | undefined;
}

/**
 * An error for `done` and `node.error`. Node-RED hands a cause on to Catch nodes and to the log, and
 * causes carry request headers and bodies: what leaves a node has none. It has no name either, which
 * Node-RED would put before the sentence.
 */
export function withoutCause({ message, code, stack }: Told): Error {
  const error = new Error(message);
  Object.defineProperty(error, "name", { value: "" });
  return Object.assign(error, { ...(code !== undefined && { code }), ...(stack !== undefined && { stack }) });
}

/** The properties of a message that hold a delivery's record. */
export type RecordProperty = "delivery" | "notification";

/**
 * Which of a message's records its error is about. A failed output names the delivery; a Catch node only
 * names the node, which then is the one that the record was made by.
 */
export function failedRecord(msg: NodeMessage): RecordProperty {
  const { error, notification } = msg as {
    error?: { deliveryId?: unknown; source?: { id?: unknown } };
    notification?: { id?: unknown; writer?: { id?: unknown } };
  };
  if (!error || !notification) return "delivery";
  const told =
    error.deliveryId === undefined
      ? notification.writer?.id === error.source?.id
      : notification.id === error.deliveryId;
  return told ? "notification" : "delivery";
}
