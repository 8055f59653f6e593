import type { Node, NodeAPI, NodeDef, NodeMessage } from "node-red";
import {
  composeNotification,
  createLogNotifier,
  createMailNotifier,
  DeliveryError,
  type Notifier,
  notificationDraft,
  notifierAttempt,
  parseRecipients,
  renderTemplate,
  type SmtpConnection,
} from "../../lib";
import { useConnection } from "../shared/connection-node";
import { runDeliveries } from "../shared/delivery-node";
import { templateView } from "../shared/template-view";

interface Config extends NodeDef {
  connection?: string;
  when?: "both" | "delivered" | "gave-up";
  to?: string;
  deliveredSubject?: string;
  deliveredText?: string;
  failedSubject?: string;
  failedText?: string;
  timeZone?: string;
}

type Outcome = "delivered" | "gave-up";

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-notify", function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    runDeliveries(RED, this, "notification", () => {
      const { notifier, release } = notifierOf(RED, this, config);
      return {
        attempt: notifierAttempt(notifier),
        concurrency: 1,
        draft: async (msg) => draftOf(RED, this, config, msg),
        async close() {
          await notifier.close();
          release();
        },
      };
    });
  });
}

function notifierOf(RED: NodeAPI, node: Node, config: Config): { notifier: Notifier; release: () => void } {
  if (!config.connection) {
    const log = (level: "info" | "error", text: string) =>
      level === "error" ? node.error(text) : node.log(text);
    return { notifier: createLogNotifier(log), release: () => {} };
  }
  const { connection, release } = useConnection<SmtpConnection>(
    RED,
    config.connection,
    "delivery-smtp-connection",
    "mail server",
  );
  if (!config.to) {
    release();
    throw new DeliveryError("invalid", "Nobody is named to be told. Fill in the recipients.");
  }
  return { notifier: createMailNotifier(connection), release };
}

function draftOf(RED: NodeAPI, node: Node, config: Config, msg: NodeMessage) {
  const outcome = outcomeOf(msg);
  const { when = "both", timeZone = "" } = config;
  if (!outcome || (when !== "both" && when !== outcome)) return undefined;
  const view = templateView(RED, node, msg);
  const recipients = config.connection
    ? parseRecipients(renderTemplate(config.to ?? "", view, { timeZone }))
    : [];
  const delivered = outcome === "delivered";
  const notification = composeNotification({
    outcome,
    view,
    recipients,
    subjectTemplate: (delivered ? config.deliveredSubject : config.failedSubject) || undefined,
    textTemplate: (delivered ? config.deliveredText : config.failedText) || undefined,
    notifierId: node.id,
    timeZone,
  });
  const draft = notificationDraft(notification);
  return { ...draft, location: draft.target || "log" };
}

/**
 * What there is to tell: nothing while a delivery is still being tried, and nothing of a notification
 * that failed, which must never cause another one.
 * @throws DeliveryError `invalid` for a message that tells of no delivery and no error
 */
function outcomeOf(msg: NodeMessage): Outcome | undefined {
  const delivery = msg.delivery as { state?: string } | undefined;
  const notification = msg.notification as { id?: string; state?: string } | undefined;
  const error = msg.error as { deliveryId?: string } | undefined;
  if (error?.deliveryId !== undefined && error.deliveryId === notification?.id) return undefined;
  if (error) return delivery?.state === "waiting" ? undefined : "gave-up";
  switch (delivery?.state) {
    case "delivered":
    case "skipped":
      return "delivered";
    case "failed":
    case "gave-up":
    case "cancelled":
      return "gave-up";
    case undefined:
      throw new DeliveryError(
        "invalid",
        "This message tells of no delivery. Wire a writer or a retry node here.",
      );
    default:
      return undefined;
  }
}
