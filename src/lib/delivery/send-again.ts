import { randomUUID } from "node:crypto";
import { DeliveryError } from "../errors";
import type { Spool } from "../sources/spool";
import type { DeliveryStore } from "../store/delivery-store";
import { hasEnded } from "../store/states";
import type { Delivery, DeliveryDraft } from "../types";

export interface SendAgainRequest {
  /** Of the delivery that has ended. */
  id: string;
  /** Where the store's deliveries have their content. */
  spool: Spool;
}

/**
 * Accepts a delivery that has ended anew, as another one: the same content to the same target, with the same
 * message. A file is read anew, and must be what it was. An ended delivery that has given its once-key up
 * hands it on; one that succeeded keeps it, and the new one goes without.
 * @returns undefined for a delivery that is unknown or has not ended
 * @throws DeliveryError `missing` when its content is gone, `rejected` when another delivery has taken its
 *   once-key, `local` when the store or the spool cannot do its work
 */
export async function sendAgain(
  store: DeliveryStore,
  { id, spool }: SendAgainRequest,
): Promise<Delivery | undefined> {
  const ended = await store.get(id);
  if (!ended || !hasEnded(ended.state)) return undefined;
  await checkContent(ended, spool);
  const { delivery, duplicate } = await store.accept(draftAgain(ended));
  if (!duplicate) return delivery;
  throw new DeliveryError(
    "rejected",
    `Delivery ${id} is not sent again: delivery ${delivery.id} has taken its place, with the same key.`,
  );
}

async function checkContent({ id, state, attempts, source }: Delivery, spool: Spool): Promise<void> {
  // Only what was refused, or has become unreadable, is given up without an attempt.
  if (state === "gave-up" && attempts.length === 0) {
    throw new DeliveryError(
      "missing",
      `Delivery ${id} cannot be sent again: nothing was kept of its content. Send the message anew.`,
    );
  }
  if (source.kind !== "spool" || (await spool.has(source.sha256, source.size))) return;
  throw new DeliveryError(
    "missing",
    `Delivery ${id} cannot be sent again: the content of ${source.name} is no longer kept. Send the message anew.`,
  );
}

function draftAgain(ended: Delivery): DeliveryDraft {
  const { writer, source, target, location, contentType, metadata, attributes, onceKey, message } = ended;
  const holdsKey = ended.state === "delivered" || ended.state === "skipped";
  return {
    id: randomUUID(),
    writer,
    source,
    target,
    location,
    metadata,
    attributes,
    ...(contentType !== undefined && { contentType }),
    ...(onceKey !== undefined && !holdsKey && { onceKey }),
    ...(message !== undefined && { message }),
  };
}
