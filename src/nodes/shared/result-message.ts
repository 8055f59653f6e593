import type { NodeMessage } from "node-red";
import { type Delivery, describeDelivery, type Spool } from "../../lib";
import { type KeptMessage, restoreMessage } from "./kept-message";

/**
 * The message that tells of a delivery: as it was accepted, with the record, what the node added to the
 * metadata, and the error if it did not arrive.
 * @throws DeliveryError `local` when the spool has lost a part of it
 */
export async function resultMessage(delivery: Delivery, spool: Spool): Promise<NodeMessage> {
  const kept = delivery.message as KeptMessage;
  const metadata = Object.keys(delivery.metadata).length > 0 && { metadata: { ...delivery.metadata } };
  const arrived = delivery.state === "delivered" || delivery.state === "skipped";
  return {
    ...(await restoreMessage(kept, spool)),
    ...metadata,
    [kept.property]: describeDelivery(delivery),
    ...(!arrived && { error: describeError(delivery) }),
  };
}

/** As a Catch node shapes it, and what a delivery's error adds. */
export function describeError({ id, writer, error }: Delivery) {
  const { message = "The delivery was cancelled.", ...rest } = error ?? {};
  return { message, source: { ...writer }, deliveryId: id, ...rest };
}
