import type { Node, NodeAPI, NodeDef, NodeMessage } from "node-red";
import {
  DeliveryError,
  type DeliveryStore,
  describeDelivery,
  inUnit,
  type RetryPolicy,
  readOptions,
  readRetryPolicy,
  retryDelivery,
  standardPolicy,
  threeQuickTries,
  toDeliveryError,
} from "../../lib";
import { answer } from "../shared/answer";
import { engineOf } from "../shared/engine";
import { failedRecord, type RecordProperty } from "../shared/errors";
import { statusOf } from "../shared/status";
import { msPerMinute, msPerSecond } from "../shared/units";

interface Config extends NodeDef {
  firstDelaySeconds?: unknown;
  maxDelaySeconds?: unknown;
  jitterPercent?: unknown;
  timeLimitMinutes?: unknown;
}

const presets = ["standard", "three-quick-tries", "custom"] as const;

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
      problem = toDeliveryError(error);
      this.status(statusOf.problem(problem.message));
    }
    this.on("input", (msg, send, done) => {
      answer(this, done, async () => {
        if (!policy) throw problem;
        const { output, announced } = await decide(this, store, policy, msg);
        send(output);
        await announced?.();
      });
    });
  });
}

function policyOf(config: Config): RetryPolicy {
  const preset = readOptions("Retry", config, (options) => options.choice("preset", presets, "standard"));
  if (preset === "standard") return standardPolicy;
  if (preset === "three-quick-tries") return threeQuickTries;
  return readRetryPolicy({
    ...config,
    firstDelayMs: inUnit("firstDelaySeconds", config.firstDelaySeconds, msPerSecond),
    maxDelayMs: inUnit("maxDelaySeconds", config.maxDelaySeconds, msPerSecond),
    jitter: inUnit("jitterPercent", config.jitterPercent, 0.01),
    timeLimitMs: inUnit("timeLimitMinutes", config.timeLimitMinutes, msPerMinute),
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
function failedDelivery(msg: NodeMessage): { id: string; property: RecordProperty } {
  const property = failedRecord(msg);
  const told = msg.error as { deliveryId?: unknown } | undefined;
  const record = msg[property as keyof NodeMessage] as { id?: unknown } | undefined;
  const id = told?.deliveryId ?? record?.id;
  if (typeof id === "string") return { id, property };
  throw new DeliveryError(
    "invalid",
    "This message tells of no delivery. Wire a writer's failed output here.",
  );
}
