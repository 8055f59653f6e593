import type { Node, NodeMessage } from "node-red";
import {
  createAnnouncer,
  type Delivery,
  DeliveryError,
  describeDelivery,
  type RetryPolicy,
  retryDelivery,
  toDeliveryError,
} from "../../lib";
import { takeOverMs } from "../shared/delivery-node";
import type { Engine } from "../shared/engine";
import { failedRecord } from "../shared/errors";
import type { KeptMessage } from "../shared/kept-message";
import { resultMessage } from "../shared/result-message";
import { lastSegment, statusOf } from "../shared/status";

/** Who asks what becomes of a failed delivery. */
export interface Caller {
  msg: NodeMessage;
  send: (messages: (NodeMessage | null)[]) => void;
}

/** What a retry node has decided, and what of it is still to be told. */
export interface Decisions {
  /** @throws DeliveryError for a message that tells of no delivery that is known here */
  decide(policy: RetryPolicy, caller: Caller): Promise<void>;
  /** Tells what this node has given up just before its process ended. */
  announceLeftOver(): Promise<void>;
  close(): Promise<void>;
}

export function createDecisions(node: Node, { store, spool }: Engine): Decisions {
  /** By the id of the delivery that they have asked about. */
  const callers = new Map<string, Caller>();
  /** The delivery that the status says is waiting. */
  let shownId: string | undefined;
  const stopListening = store.onChange((delivery) => {
    if (delivery.id !== shownId || !["delivered", "skipped", "cancelled"].includes(delivery.state)) return;
    shownId = undefined;
    const { attempt } = describeDelivery(delivery);
    // A time that has passed would look as if it were still waiting.
    node.status(
      delivery.state === "cancelled"
        ? {}
        : statusOf.done(`attempt ${attempt} succeeded: ${shortName(delivery)}`),
    );
  });
  const announcer = createAnnouncer({
    store,
    whose: { decidedBy: node.id, states: ["gave-up"] },
    settleMs: takeOverMs,
    report: (error) => node.error(toDeliveryError(error).message),
    async announce(delivery) {
      const caller = callers.get(delivery.id);
      const msg = caller ? withRecord(caller.msg, delivery) : await resultMessage(node, spool, delivery);
      node.status(statusOf.problem(`gave up: ${shortName(delivery) || delivery.error?.message}`));
      if (caller) caller.send([null, msg]);
      else node.send([null, msg]);
    },
  });

  const decide = async (policy: RetryPolicy, caller: Caller): Promise<void> => {
    const id = failedDelivery(caller.msg);
    const { state, delivery } = await retryDelivery(store, { id, policy, by: node.id });
    if (state === "waiting") {
      const at = new Date(delivery.dueAt).toLocaleTimeString();
      const next = describeDelivery(delivery).attempt + 1;
      node.status(statusOf.waiting(`attempt ${next} at ${at}: ${shortName(delivery)}`));
      shownId = id;
      caller.send([withRecord(caller.msg, delivery), null]);
    } else if (state === "gave-up") {
      callers.set(id, caller);
      await announcer.announce(delivery);
      callers.delete(id);
    } else if (delivery) {
      // Two wires lead here, or two retry nodes were asked: the first decision stands.
      node.warn(`Delivery ${id} is ${delivery.state} already; it is left alone.`);
    } else {
      throw new DeliveryError(
        "invalid",
        "This delivery is not known here (any more), so it cannot be retried.",
      );
    }
  };
  const underWay = new Set<Promise<void>>();

  return {
    decide(policy, caller) {
      const deciding = decide(policy, caller).finally(() => underWay.delete(deciding));
      underWay.add(deciding);
      return deciding;
    },
    announceLeftOver: () => announcer.announceLeftOver(),
    async close() {
      stopListening();
      await announcer.close();
      // The next node looks once for what is to be told: what is being given up must be in the store by then.
      await Promise.allSettled(underWay);
    },
  };
}

/** Statuses stand between nodes: of a whole address there is no room for more than the name. */
function shortName({ location }: Delivery): string {
  return lastSegment(location);
}

function withRecord(msg: NodeMessage, delivery: Delivery): NodeMessage {
  const { property } = delivery.message as KeptMessage;
  return { ...msg, [property]: describeDelivery(delivery) };
}

/** The id of the failed delivery that a message tells of: by its error, else by its record. */
function failedDelivery(msg: NodeMessage): string {
  const told = msg.error as { deliveryId?: unknown } | undefined;
  const record = msg[failedRecord(msg) as keyof NodeMessage] as { id?: unknown } | undefined;
  const id = told?.deliveryId ?? record?.id;
  if (typeof id === "string") return id;
  throw new DeliveryError(
    "invalid",
    "This message tells of no delivery. Wire a writer's failed output here.",
  );
}
