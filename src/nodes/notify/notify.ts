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
  readOptions,
  renderTemplate,
  type SmtpConnection,
} from "../../lib";
import { useConnection } from "../shared/connection-node";
import { runDeliveries } from "../shared/delivery-node";
import { failedRecord } from "../shared/errors";
import { templateView } from "../shared/template-view";
import { templateReader } from "../shared/templates";

interface Config extends NodeDef {
  connection?: string;
  store?: string;
}

interface Settings {
  when: (typeof whens)[number];
  timeZone: string;
  /** Templates; an empty one is the usual text. */
  to: string;
  deliveredSubject: string;
  deliveredText: string;
  failedSubject: string;
  failedText: string;
}

type Outcome = "delivered" | "gave-up";

const whens = ["both", "delivered", "gave-up"] as const;

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-notify", function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    runDeliveries(RED, this, "notification", config.store, () => {
      const settings = readSettings(config);
      const { notifier, release } = notifierOf(RED, this, config);
      return {
        attemptIn: () => notifierAttempt(notifier),
        concurrency: 1,
        draft: async (msg) => draftOf(RED, this, settings, msg),
        async close() {
          await notifier.close();
          release();
        },
      };
    });
  });
}

function readSettings(config: Config): Settings {
  return readOptions("Notify", config, (options) => {
    const { text, timeZone } = templateReader(options, config);
    const to = config.connection ? text("to") : "";
    if (config.connection && to === "") options.problem("nobody is named to be told. Fill in the recipients");
    return {
      when: options.choice("when", whens, "both"),
      timeZone,
      to,
      deliveredSubject: text("deliveredSubject"),
      deliveredText: text("deliveredText"),
      failedSubject: text("failedSubject"),
      failedText: text("failedText"),
    };
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
  return { notifier: createMailNotifier(connection), release };
}

function draftOf(RED: NodeAPI, node: Node, settings: Settings, msg: NodeMessage) {
  const outcome = outcomeOf(msg);
  const { when, timeZone, to } = settings;
  if (!outcome || (when !== "both" && when !== outcome)) return undefined;
  const view = templateView(RED, node, msg);
  const delivered = outcome === "delivered";
  const notification = composeNotification({
    outcome,
    view,
    recipients: to ? parseRecipients(renderTemplate(to, view, { timeZone })) : [],
    subjectTemplate: (delivered ? settings.deliveredSubject : settings.failedSubject) || undefined,
    textTemplate: (delivered ? settings.deliveredText : settings.failedText) || undefined,
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
  if (failedRecord(msg) === "notification") return undefined;
  if (msg.error) return delivery?.state === "waiting" ? undefined : "gave-up";
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
