import type { Node, NodeAPI, NodeDef, NodeMessage } from "node-red";
import {
  DeliveryError,
  type DeliveryStore,
  describeDelivery,
  type RetryPolicy,
  readRetryPolicy,
  retryDelivery,
  standardPolicy,
  threeQuickTries,
} from "../../lib";
import { asDeliveryError } from "../shared/connection-node";
import { engineOf } from "../shared/engine";
import { statusOf } from "../shared/status";
import { msPerMinute, msPerSecond, scaled } from "../shared/units";

interface Config extends NodeDef {
  preset?: "standard" | "three-quick-tries" | "custom";
  firstDelaySeconds?: string | number;
  maxDelaySeconds?: string | number;
  jitterPercent?: string | number;
  timeLimitMinutes?: string | number;
}

type Output = [retrying: NodeMessage | null, gaveUp: NodeMessage | null];

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-retry", function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const { store } = engineOf(RED);
    let policy: RetryPolicy | undefined;
    let problem: DeliveryError | undefined;
    try {
      policy = policyOf(config);
    } catch (error) {
      problem = asDeliveryError(error);
      this.status(statusOf.problem(problem.message));
    }
    this.on("input", (msg, send, done) => {
      const decided = policy ? decide(this, store, policy, msg) : Promise.reject(problem);
      decided
        .then(async ({ output, announced }) => {
          send(output);
          await announced?.();
          done();
        })
        .catch((error: unknown) => {
          const { message } = asDeliveryError(error);
          this.status(statusOf.problem(message));
          done(asDeliveryError(error));
        });
    });
  });
}

function policyOf(config: Config): RetryPolicy {
  if (config.preset === "standard") return standardPolicy;
  if (config.preset === "three-quick-tries") return threeQuickTries;
  return readRetryPolicy({
    ...config,
    firstDelayMs: scaled(config.firstDelaySeconds, msPerSecond),
    maxDelayMs: scaled(config.maxDelaySeconds, msPerSecond),
    jitter: scaled(config.jitterPercent, 0.01),
    timeLimitMs: scaled(config.timeLimitMinutes, msPerMinute),
  });
}

async function decide(
  node: Node,
  store: DeliveryStore,
  policy: RetryPolicy,
  msg: NodeMessage,
): Promise<{ output: Output; announced?: () => Promise<void> }> {
  const { id, property } = failedDelivery(msg);
  const outcome = await retryDelivery(store, id, policy);
  if (outcome.state === "untouched") {
    if (!outcome.delivery) {
      throw new DeliveryError(
        "invalid",
        "This delivery is not known here (any more), so it cannot be retried.",
      );
    }
    // Two wires lead here, or two retry nodes were asked: the first decision stands.
    node.warn(`Delivery ${id} is ${outcome.delivery.state} already; it is left alone.`);
    return { output: [null, null] };
  }
  const record = describeDelivery(outcome.delivery);
  if (outcome.state === "waiting") {
    const at = new Date(outcome.delivery.dueAt).toLocaleTimeString();
    node.status(statusOf.waiting(`attempt ${record.attempt + 1} at ${at}: ${record.location}`));
    return { output: [{ ...msg, [property]: record }, null] };
  }
  node.status(statusOf.problem(`gave up: ${record.location || outcome.delivery.error?.message}`));
  return {
    output: [null, { ...msg, [property]: record }],
    announced: () => store.markAnnounced(id, outcome.delivery.version),
  };
}

/** The failed delivery that a message tells of: by its error, else by its record. */
function failedDelivery(msg: NodeMessage): { id: string; property: "delivery" | "notification" } {
  const told = msg.error as { deliveryId?: unknown } | undefined;
  const delivery = msg.delivery as { id?: unknown } | undefined;
  const notification = msg.notification as { id?: unknown } | undefined;
  const id = told?.deliveryId ?? delivery?.id;
  if (typeof id !== "string") {
    throw new DeliveryError(
      "invalid",
      "This message tells of no delivery. Wire a writer's failed output here.",
    );
  }
  return { id, property: notification?.id === id ? "notification" : "delivery" };
}
