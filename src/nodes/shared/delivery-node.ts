import { randomUUID } from "node:crypto";
import type { Node, NodeAPI, NodeMessage, NodeMessageInFlow } from "node-red";
import {
  type AttemptFunction,
  type DeliveryDraft,
  type DeliveryError,
  describeDelivery,
  toDeliveryError,
} from "../../lib";
import { answer } from "./answer";
import { chooseEngine } from "./choose-engine";
import { type Engine, enginesOf } from "./engine";
import type { RecordProperty } from "./errors";
import { whenFlowsStarted } from "./flows-started";
import { copyMessage, type KeptMessage, keepMessage } from "./kept-message";
import { largeValuesOf } from "./large-values";
import { createQueueRunner, type QueueRunner } from "./queue-runner";
import { createSayOnce } from "./say-once";
import { showWork, statusOf } from "./status";
import { takeOver } from "./taking-over";
import type { Caller, Done, Send } from "./tell-result";

/** What a writer or a notifier brings along; the rest of a node's life is the same for all. */
export interface DeliveryWork {
  /** For what this engine has kept. */
  attemptIn(engine: Engine): AttemptFunction;
  readonly concurrency: number;
  /** What a delivery is told by whose message or template did not make one: the template of its target. */
  readonly targetTemplate?: string;
  /**
   * Makes a message into a delivery, or undefined where there is nothing to do.
   * @throws DeliveryError when the message or a template does not make one
   */
  draft(msg: NodeMessage): Promise<DraftOf | undefined>;
  /** The delivery is not tried again: nothing of its attempts is to stay. Never fails. */
  abandon?(deliveryId: string): Promise<void>;
  close(): Promise<void>;
}

export type DraftOf = Omit<DeliveryDraft, "id" | "writer" | "message">;

/** Neither: there is nothing to do. */
interface Drafted {
  draft?: DraftOf | undefined;
  refusal?: DeliveryError | undefined;
}

/**
 * Gives a node with the outputs *succeeded* and *failed* its life: accept, run, announce, close.
 * @param property where the record goes: `delivery` or `notification`
 * @param storeId of the store node that was chosen, if any
 * @param createWork throws DeliveryError when the settings make no sense; every message then fails with it
 */
export function runDeliveries(
  RED: NodeAPI,
  node: Node,
  property: RecordProperty,
  storeId: string | undefined,
  createWork: (engine: Engine) => DeliveryWork,
): void {
  const { engine, problem: storeProblem, release } = chooseEngine(RED, storeId);
  const callers = new Map<string, Caller>();
  const { work, problem } = storeProblem ? { problem: storeProblem } : tryTo(() => createWork(engine));
  const problems = createSayOnce((sentence) => node.error(sentence));
  const run = (from: Engine, concurrency: number) => {
    const attempt = work?.attemptIn(from) ?? (() => Promise.reject(problem));
    const abandon = (id: string) => work?.abandon?.(id);
    const queue = createQueueRunner({ node, engine: from, property, attempt, concurrency, callers, abandon });
    queue.runner.on("problem", ({ message }) => problems.say(message));
    queue.runner.on("recovered", () => problems.forget() && node.log("The delivery store works again."));
    return queue;
  };
  const queue = run(engine, work?.concurrency ?? 1);
  const { runner } = queue;
  const shown = showWork(node, runner, engine.store, problem && statusOf.problem(problem.message));
  /** Of what the node has in stores that it used before. */
  const leftBehind: QueueRunner[] = [];
  // Without settings that work, what waits in the queue is left waiting for the next deploy.
  const callOff = whenFlowsStarted(RED, () => {
    if (!work) return;
    runner.start();
    for (const other of enginesOf(RED)) {
      // Who shares a store with others has it from them: it may be theirs, although the node has the same id.
      if (other.store === engine.store || other.store.lookEveryMs !== undefined) continue;
      const before = run(other, 1);
      leftBehind.push(before);
      before.runner.start();
    }
  });

  /** Those that came before are accepted before, however long their files take to be looked at. */
  let earlier: Promise<void> = Promise.resolve();
  const accept = (msg: NodeMessageInFlow, from: Omit<Caller, "live" | "large">): Promise<void> => {
    // Whoever sent the message may still change it: what counts is what it says now.
    const received = copyMessage(RED, msg);
    const given = { ...msg };
    // An error is about an earlier node, unless the work is to tell people of it.
    const { error: _, ...rest } = received;
    const accepted = property === "notification" ? received : rest;
    const drafting = work ? draftOrRefusal(work, received) : { refusal: problem };
    const keeping = keepMessage(accepted, property, engine.spool);
    const inTurn = Promise.all([drafting, keeping, earlier]);
    const taken = inTurn.then(([drafted, { kept, live, heavy }]) =>
      take(drafted, kept, { ...from, live, large: largeValuesOf(msg, given, heavy) }),
    );
    // Its turn ends when it was handed to the store, not when the disk has it: the disk takes many at once.
    earlier = inTurn.then(
      () => {},
      () => {},
    );
    return taken;
  };

  const take = async ({ draft, refusal }: Drafted, message: KeptMessage, caller: Caller): Promise<void> => {
    if (!draft && !refusal) return caller.done();
    const id = randomUUID();
    const writer = { id: node.id, type: node.type, name: node.name ?? "" };
    // Of what another process does, nobody here hears: the message is done when it was accepted.
    const isShared = draft !== undefined && engine.store.lookEveryMs !== undefined;
    if (!isShared) callers.set(id, caller);
    try {
      if (draft) {
        const { delivery } = await runner.accept({ ...draft, id, writer, message });
        const isTaken = delivery.id !== id;
        if (isTaken) {
          callers.delete(id);
          shown.earlier(delivery);
          // For Complete nodes: at an output it would look like a delivery of its own.
          Object.assign(caller.msg, { [property]: describeDelivery(delivery) });
        }
        if (isShared || isTaken) caller.done();
        // Unless it was told already: then nobody would give them back.
        if (callers.has(id)) caller.large.letGo();
      } else if (refusal) {
        const target = work?.targetTemplate ?? "";
        await runner.refuse({ ...emptyDraft, target, id, writer, message }, refusal);
      }
    } catch (error) {
      // The store could not keep it: nothing is acknowledged, the flow still has its message.
      callers.delete(id);
      throw error;
    }
  };
  node.on("input", (msg: NodeMessageInFlow, send, done) => {
    // It is done when its delivery has ended, unless it did not become one.
    const doneOnFailure: Done = (error) => error && done(error);
    answer(node, { msg, done: doneOnFailure }, () =>
      takeOver(msg, async () => accept(msg, { send: send as Send, done, msg })),
    );
  });

  node.on("close", (_removed: boolean, done: () => void) => {
    callOff();
    shown.stop();
    Promise.all([queue, ...leftBehind].map((one) => one.close()))
      .then(() => work?.close())
      .finally(release)
      .then(done, done);
  });
}

const emptyDraft = {
  source: { kind: "text" as const, name: "", text: "" },
  target: "",
  location: "",
  metadata: {},
  attributes: {},
};

function tryTo(create: () => DeliveryWork): { work?: DeliveryWork; problem?: DeliveryError } {
  try {
    return { work: create() };
  } catch (error) {
    return { problem: toDeliveryError(error) };
  }
}

async function draftOrRefusal(work: DeliveryWork, msg: NodeMessage): Promise<Drafted> {
  try {
    return { draft: await work.draft(msg) };
  } catch (error) {
    return { refusal: toDeliveryError(error) };
  }
}
