import type { Node, NodeMessage } from "node-red";
import {
  type Announcer,
  createAnnouncer,
  type Delivery,
  DeliveryError,
  describeDelivery,
  leftOverMs,
  type RetryOutcome,
  type RetryPolicy,
  retryDelivery,
  storeRecoveryMs,
  toDeliveryError,
} from "../../lib";
import { type Engine, holderOf } from "../shared/engine";
import { failedRecord } from "../shared/errors";
import type { KeptMessage } from "../shared/kept-message";
import { resultMessage } from "../shared/result-message";
import { createSayOnce } from "../shared/say-once";
import { lastSegment, statusOf } from "../shared/status";
import { takenOver, takeOver, takeOverMs } from "../shared/taking-over";

/** Who asks what becomes of a failed delivery. */
export interface Caller {
  msg: NodeMessage;
  send: (messages: (NodeMessage | null)[]) => void;
}

/** What a retry node has decided, and what of it is still to be told. */
export interface Decisions {
  /**
   * Decides, as soon as the store can keep it.
   * @throws DeliveryError for a message that tells of no delivery that is known here
   */
  decide(policy: RetryPolicy, caller: Caller): Promise<void>;
  /** Tells what this node has given up just before a process ended, now and for as long as it runs. */
  start(): void;
  close(): Promise<void>;
}

/** What has to be ended for each store. */
interface Attended {
  readonly announcer: Announcer;
  readonly stopListening: () => void;
}

/** @param enginesOf every one that is in use: a failed delivery is in one of their stores */
export function createDecisions(node: Node, enginesOf: () => Engine[]): Decisions {
  /** By the id of the delivery that they have asked about. */
  const callers = new Map<string, Caller>();
  /** The ids of those that it is deciding on, and tells of itself. */
  const deciding = new Set<string>();
  const attended = new Map<Engine, Attended>();
  /** The delivery that the status says is waiting. */
  let shownId: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const problems = createSayOnce((sentence) => node.error(sentence));

  const showEnd = (delivery: Delivery) => {
    if (delivery.id !== shownId || !["delivered", "skipped", "cancelled"].includes(delivery.state)) return;
    shownId = undefined;
    const { attempt } = describeDelivery(delivery);
    // A time that has passed would look as if it were still waiting.
    node.status(
      delivery.state === "cancelled"
        ? {}
        : statusOf.done(`attempt ${attempt} succeeded: ${shortName(delivery)}`),
    );
  };

  const attend = (engine: Engine): Attended => {
    const earlier = attended.get(engine);
    if (earlier) return earlier;
    const { store } = engine;
    const announcer = createAnnouncer({
      store,
      whose: { decidedBy: node.id, states: ["gave-up"] },
      settleMs: takeOverMs,
      takenOver,
      report: (error) => problems.say(toDeliveryError(error).message),
      async announce(delivery) {
        const caller = callers.get(delivery.id);
        const msg = caller ? withRecord(caller.msg, delivery) : await resultMessage(node, engine, delivery);
        node.status(statusOf.problem(`gave up: ${shortName(delivery) || delivery.error?.message}`));
        if (caller) caller.send([null, msg]);
        else node.send([null, msg]);
      },
    });
    // A decision may come to its end after the close: the next node tells it.
    if (closed) void announcer.close();
    const onChange = (delivery: Delivery) => {
      showEnd(delivery);
      // A message has reached this node's predecessor after its close: nobody else tells what that decided.
      const isOwn = delivery.state === "gave-up" && delivery.decidedBy === node.id;
      if (isOwn && !deciding.has(delivery.id)) void announcer.announce(delivery);
    };
    const attending = { announcer, stopListening: closed ? () => {} : store.onChange(onChange) };
    attended.set(engine, attending);
    return attending;
  };

  /** A deploy may have closed stores that this node has outlived. */
  const letGo = (engines: Engine[]) => {
    for (const [engine, { announcer, stopListening }] of attended) {
      if (engines.includes(engine)) continue;
      attended.delete(engine);
      stopListening();
      void announcer.close();
    }
  };

  /** @param finishedBefore as with `Announcer.announceLeftOver` */
  const announceLeftOver = (engines: Engine[], finishedBefore?: number) => {
    for (const engine of engines) void attend(engine).announcer.announceLeftOver(finishedBefore);
  };

  /**
   * Again and again while a store cannot, also after the close: nobody else decides, and until then the
   * delivery counts as not told of.
   */
  const decideUntilKept = async (policy: RetryPolicy, id: string) => {
    for (let failed = false; ; ) {
      try {
        const engine = await holderOf(enginesOf(), id);
        attend(engine);
        const outcome = await retryDelivery(engine.store, { id, policy, by: node.id });
        if (failed) problems.forget();
        return { engine, ...(failed ? ownOf(outcome, node.id) : outcome) };
      } catch (error) {
        const { kind, message } = toDeliveryError(error);
        if (kind !== "local") throw error;
        failed = true;
        problems.say(message);
        node.status(statusOf.problem(message));
        await new Promise((resolve) => setTimeout(resolve, storeRecoveryMs).unref());
      }
    }
  };

  const decide = async (policy: RetryPolicy, caller: Caller): Promise<void> => {
    const id = failedDelivery(caller.msg);
    deciding.add(id);
    const decision = decideUntilKept(policy, id).finally(() => deciding.delete(id));
    const { engine, state, delivery } = await decision;
    const { announcer } = attend(engine);
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
    } else {
      // Two wires lead here, or two retry nodes were asked: the first decision stands.
      node.warn(`Delivery ${id} is ${delivery?.state ?? "forgotten"} already; it is left alone.`);
    }
  };
  const underWay = new Set<Promise<void>>();

  return {
    decide(policy, caller) {
      const decision = takeOver(caller.msg, () => decide(policy, caller)).finally(() =>
        underWay.delete(decision),
      );
      underWay.add(decision);
      return decision;
    },
    start() {
      announceLeftOver(enginesOf());
      // Other processes may end at any time, and a store may not have answered before.
      timer = setInterval(() => {
        const engines = enginesOf();
        letGo(engines);
        announceLeftOver(engines, Date.now() - leftOverMs);
      }, leftOverMs);
    },
    async close() {
      closed = true;
      clearInterval(timer);
      const attending = [...attended.values()];
      for (const { stopListening } of attending) stopListening();
      const quiet = async () => {
        await Promise.all(attending.map(({ announcer }) => announcer.close()));
        // The next node looks once for what is to be told: what is being given up must be in the store by then.
        await Promise.allSettled(underWay);
      };
      // Where the store cannot keep it, it is told by the listener of the next node.
      const patience = new Promise((resolve) => setTimeout(resolve, storeRecoveryMs).unref());
      await Promise.race([quiet(), patience]);
    },
  };
}

/** A store may have failed only to say that it has kept the decision. */
function ownOf(outcome: RetryOutcome, nodeId: string): RetryOutcome {
  const { state, delivery } = outcome;
  if (state !== "untouched" || !delivery) return outcome;
  if (delivery.state === "waiting") return { state: "waiting", delivery };
  const isOwn = delivery.state === "gave-up" && delivery.decidedBy === nodeId && !delivery.announced;
  return isOwn ? { state: "gave-up", delivery } : outcome;
}

/** Statuses stand between nodes: of a whole address there is no room for more than the name. */
function shortName({ location }: Delivery): string {
  return lastSegment(location);
}

function withRecord(msg: NodeMessage, delivery: Delivery): NodeMessage {
  const { property } = (delivery.message as KeptMessage | undefined) ?? { property: failedRecord(msg) };
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
