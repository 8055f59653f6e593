import { createHash, randomUUID } from "node:crypto";
import { DeliveryError, type SettledRecipients } from "../errors";
import { openSource } from "../sources";
import type { Spool } from "../sources/spool";
import type { AttemptContext, DataSource, Delivery, Notification, Notifier, Receipt, Writer } from "../types";
import { type AttemptLimits, createDeadline } from "./deadline";

/**
 * One try of a delivery.
 * @throws DeliveryError; anything else is taken for a bug and reported as `internal`
 */
export type AttemptFunction = (delivery: Delivery, context: AttemptContext) => Promise<Receipt>;

/**
 * Opens the delivery's source anew and writes it to the delivery's target. An attempt that takes longer than
 * its limits is ended as `unavailable`; the clock runs from when the writer begins to read.
 */
export function writerAttempt(
  writer: Writer,
  { spool, limits = {} }: { spool: Spool; limits?: AttemptLimits },
): AttemptFunction {
  return async (delivery, context) => {
    const opened = await openSource(delivery.source, { spool, signal: context.signal });
    const deadline = createDeadline(context.signal, opened.size, limits);
    // Whoever waits for a free session or for memory is not slow.
    const source = watchSource(opened, deadline.start);
    const request = {
      deliveryId: delivery.id,
      target: delivery.target,
      contentType: delivery.contentType ?? source.contentType,
      metadata: delivery.metadata,
      attributes: delivery.attributes,
      begun: delivery.begun,
    };
    try {
      return await writer.write(source, request, { ...context, signal: deadline.signal });
    } catch (error) {
      // A transport fails in many ways when its source does; only the source's own error explains it.
      throw deadline.error ?? source.failure() ?? error;
    } finally {
      deadline.stop();
    }
  };
}

interface WatchedSource extends DataSource {
  failure(): DeliveryError | undefined;
}

function watchSource(source: DataSource, onRead: () => void): WatchedSource {
  let failure: DeliveryError | undefined;
  const note = (error: unknown): void => {
    if (error instanceof DeliveryError && error.kind !== "cancelled") failure = error;
  };
  return {
    name: source.name,
    contentType: source.contentType,
    size: source.size,
    sha256: source.sha256,
    failure: () => failure,
    async read(options) {
      onRead();
      try {
        const reading = await source.read(options);
        reading.stream.once("error", note);
        return reading;
      } catch (error) {
        note(error);
        throw error;
      }
    },
  };
}

/** Attributes of a delivery whose work is to tell people something. */
export interface NotificationAttributes {
  notificationId: string;
  subject: string;
  level: Notification["level"];
  /** JSON array of addresses. */
  recipients: string;
}

/** A notification is a delivery too: its source is the text, its attributes say to whom it goes. */
export function notificationDraft(notification: Notification) {
  const attributes: NotificationAttributes = {
    notificationId: notification.id,
    subject: notification.subject,
    level: notification.level,
    recipients: JSON.stringify(notification.recipients),
  };
  const target = notification.recipients.join(", ");
  return {
    id: randomUUID(),
    source: { kind: "text" as const, name: notification.subject, text: notification.text },
    target,
    metadata: {},
    attributes: { ...attributes } as Record<string, string>,
    onceKey: notification.id,
  };
}

/** Sends the notification that `notificationDraft` made a delivery of. */
export function notifierAttempt(notifier: Notifier): AttemptFunction {
  return async (delivery, context) => {
    if (delivery.source.kind !== "text") {
      throw new DeliveryError("internal", "A notification must be text.");
    }
    const { notificationId, subject, level, recipients } =
      delivery.attributes as unknown as NotificationAttributes;
    const { text } = delivery.source;
    const told = await notifier.notify(
      { id: notificationId, subject, text, level, recipients: JSON.parse(recipients) },
      { ...context, acceptedAt: delivery.acceptedAt, settled: settledOf(delivery) },
    );
    return {
      location: told.location,
      outcome: "delivered",
      bytes: Buffer.byteLength(text),
      sha256: createHash("sha256").update(text).digest("hex"),
      verified: "none",
      notes: told.notes,
    };
  };
}

/** An attempt that failed otherwise since then has settled nobody else. */
function settledOf({ attempts }: Delivery): SettledRecipients | undefined {
  return attempts.findLast(({ error }) => error?.recipients)?.error?.recipients;
}
