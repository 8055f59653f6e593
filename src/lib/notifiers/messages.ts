import { createHash, randomUUID } from "node:crypto";
import { renderTemplate, type TemplateView } from "../templates";
import type { Notification } from "../types";
import { reportView } from "./report";

export type { DeliveryReport, ErrorReport } from "./report";

export const defaultDeliveredSubject = "Delivered: {{delivery.location}}";
export const defaultFailedSubject =
  "{{^delivery.location}}Failed before a delivery{{/delivery.location}}" +
  "{{#delivery.location}}Not delivered: {{delivery.location}}{{/delivery.location}}" +
  "{{#msg.error.kind}} ({{msg.error.kind}}){{/msg.error.kind}}";

export const defaultDeliveredText = `{{delivery.summary}}
{{#delivery.url}}

Link:      {{delivery.url}}
{{#delivery.linkEnds}}
Valid to:  {{delivery.linkEnds}}
{{/delivery.linkEnds}}
{{/delivery.url}}

Target:    {{delivery.location}}
Size:      {{delivery.size}}
SHA-256:   {{delivery.sha256}}
Verified:  {{delivery.verification}}
Duration:  {{delivery.duration}}
Finished:  {{delivery.finished}}
Writer:    {{delivery.by}}
Delivery:  {{delivery.id}}
{{#delivery.notes.0}}

Notes:
{{#delivery.notes}}
  {{.}}
{{/delivery.notes}}
{{/delivery.notes.0}}
{{#delivery.details.0}}

Metadata:
{{#delivery.details}}
  {{.}}
{{/delivery.details}}
{{/delivery.details.0}}
`;

export const defaultFailedText = `{{delivery.summary}}

Reason:      {{msg.error.message}}
What to do:  {{msg.error.advice}}

{{#delivery.location}}
Target:      {{delivery.location}}
{{/delivery.location}}
{{#msg.error.kind}}
Error kind:  {{msg.error.kind}}
{{/msg.error.kind}}
{{#msg.error.code}}
Error code:  {{msg.error.code}}
{{/msg.error.code}}
{{#delivery.by}}
Writer:      {{delivery.by}}
{{/delivery.by}}
{{#delivery.id}}
Delivery:    {{delivery.id}}
{{/delivery.id}}
{{#delivery.history.0}}

Attempts:
{{#delivery.history}}
  {{.}}
{{/delivery.history}}
{{/delivery.history.0}}
{{#delivery.details.0}}

Metadata:
{{#delivery.details}}
  {{.}}
{{/delivery.details}}
{{/delivery.details.0}}
{{#msg.error.stack}}

Details for whoever looks after the flow:
{{msg.error.stack}}
{{/msg.error.stack}}
`;

export interface NotificationRequest {
  outcome: "delivered" | "gave-up";
  /** With `delivery` as `describeDelivery` gives it, and what went wrong in `msg.error`. */
  view: TemplateView;
  /** As `parseRecipients` gives them; none for the log. */
  recipients: readonly string[];
  /** Default: a text that says all that is known. */
  subjectTemplate?: string | undefined;
  textTemplate?: string | undefined;
  /** Whose notification it is: two notifiers tell of one delivery twice, one tells once. */
  notifierId: string;
  timeZone?: string | undefined;
}

/**
 * Writes the notification. Its templates find, beside the view, the fields of `DeliveryReport` in
 * `delivery` and of `ErrorReport` in `msg.error`. The id depends on notifier, delivery and outcome only.
 * @throws DeliveryError `invalid` for a template that is not well formed or names what is not there
 */
export function composeNotification(request: NotificationRequest): Notification {
  const { outcome, recipients, notifierId, timeZone } = request;
  const failed = outcome === "gave-up";
  const subject = request.subjectTemplate ?? (failed ? defaultFailedSubject : defaultDeliveredSubject);
  const text = request.textTemplate ?? (failed ? defaultFailedText : defaultDeliveredText);
  const known = failed ? withoutSuccess(request.view) : request.view;
  const view = reportView(known, timeZone);
  const options = timeZone === undefined ? {} : { timeZone };
  return {
    id: `${notifierId}:${subjectOf(known)}:${outcome}`,
    subject: renderTemplate(subject, view, options).replace(/\s+/g, " ").trim(),
    text: renderTemplate(text, view, options),
    recipients: [...recipients],
    level: failed ? "error" : "info",
  };
}

/** What fails after a delivery has arrived is not that delivery. */
function withoutSuccess({ delivery, ...view }: TemplateView): TemplateView {
  const { state } = (delivery ?? {}) as { state?: string };
  return state === "delivered" || state === "skipped" ? view : { ...view, delivery };
}

interface KnownMessage {
  error?: { deliveryId?: string; message?: string; source?: { id?: string } };
  _msgid?: string;
}

/**
 * What the notification is about. A failure without a delivery is told of once for each message and reason:
 * all messages that a loop has sent may have the same id.
 */
function subjectOf({ delivery, msg }: TemplateView): string {
  const { id } = (delivery ?? {}) as { id?: string };
  const { error, _msgid } = (msg ?? {}) as KnownMessage;
  const known = id ?? error?.deliveryId;
  if (known !== undefined) return known;
  if (_msgid === undefined) return randomUUID();
  const reason = createHash("sha256").update(`${error?.source?.id}\0${error?.message}`).digest("hex");
  return `${_msgid}:${reason.slice(0, 16)}`;
}
