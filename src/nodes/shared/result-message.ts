import type { Node, NodeMessage } from "node-red";
import { type Delivery, describeDelivery } from "../../lib";
import type { Engine } from "./engine";
import type { RecordProperty } from "./errors";
import { type KeptMessage, restoreMessage } from "./kept-message";

const nothingKept = { message: {} as NodeMessage, large: [] };

/**
 * The message that tells of a delivery: as it was accepted, with the record, what the node added to the
 * metadata, and the error if it did not arrive. What the spool has lost of it is null, with a warning: how
 * a delivery ended must be told in any case.
 * @param property where the record goes, if the message that knows it is lost
 * @param live what of the message could not be kept, while this process still has it
 * @throws DeliveryError `local` when the spool cannot be read
 */
export async function resultMessage(
  node: Node,
  { spool, store }: Pick<Engine, "spool" | "store">,
  delivery: Delivery,
  { property = "delivery", live = {} }: { property?: RecordProperty; live?: object | undefined } = {},
): Promise<NodeMessage> {
  // Of one whose record is damaged, the message may be gone.
  const kept = (delivery.message as KeptMessage | undefined) ?? { ...nothingKept, property };
  const { message, lost } = await restoreMessage(kept, spool);
  if (lost.length > 0) {
    node.warn(
      `The spool no longer holds msg.${lost.join(", msg.")} of delivery ${delivery.id}; the message goes on without.`,
    );
  }
  const metadata = Object.keys(delivery.metadata).length > 0 && { metadata: { ...delivery.metadata } };
  const arrived = delivery.state === "delivered" || delivery.state === "skipped";
  return {
    ...message,
    ...(store.lookEveryMs !== undefined && reachableSource(message, delivery)),
    ...live,
    ...metadata,
    [kept.property]: describeDelivery(delivery),
    ...(!arrived && { error: describeError(delivery) }),
  };
}

/** Another process may tell it than the one whose spool or disk the message names: all reach the delivery's. */
function reachableSource(message: NodeMessage & { source?: unknown }, { source }: Delivery): object {
  const { kind } = (message.source ?? {}) as { kind?: unknown };
  return kind === "spool" || kind === "file" ? { source } : {};
}

/** As a Catch node shapes it, and what a delivery's error adds. */
export function describeError({ id, writer, error }: Delivery) {
  const { message = "The delivery was cancelled.", ...rest } = error ?? {};
  return { message, source: { ...writer }, deliveryId: id, ...rest };
}
