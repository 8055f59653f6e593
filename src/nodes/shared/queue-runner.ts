import type { Node } from "node-red";
import { type AttemptFunction, DeliveryRunner } from "../../lib";
import type { Engine } from "./engine";
import type { RecordProperty } from "./errors";
import { resultMessage } from "./result-message";
import { registerRunner } from "./runners";
import { takenOver, takeOverMs } from "./taking-over";
import { type Caller, tellResult } from "./tell-result";

export interface QueueRunnerParts {
  node: Node;
  /** Whose store holds the queue. */
  engine: Engine;
  property: RecordProperty;
  attempt: AttemptFunction;
  concurrency: number;
  /** By the ids of their deliveries. Who was told is removed. */
  callers: Map<string, Caller>;
  /** The delivery is not tried again: nothing of its attempts is to stay. Never fails. */
  abandon(deliveryId: string): Promise<void> | undefined;
}

/** Runs what a store holds for a node, and tells the flow how it ended. */
export interface QueueRunner {
  readonly runner: DeliveryRunner;
  close(): Promise<void>;
}

const closeGraceMs = 5_000;

export function createQueueRunner(parts: QueueRunnerParts): QueueRunner {
  const { node, engine, property, callers } = parts;
  const { store } = engine;
  const runner = new DeliveryRunner({
    queue: node.id,
    store,
    attempt: parts.attempt,
    concurrency: parts.concurrency,
    settleMs: takeOverMs,
    takenOver,
    announce: async (delivery) => {
      const { live } = callers.get(delivery.id) ?? {};
      const message = await resultMessage(node, engine, delivery, { property, live });
      const caller = callers.get(delivery.id);
      callers.delete(delivery.id);
      caller?.large.giveBack(message);
      tellResult({ node, caller, delivery, message });
    },
  });
  const unregister = registerRunner(store, node.id, runner);
  const stopAbandoning = store.onChange(({ id, writer, state }) => {
    if (writer.id === node.id && (state === "gave-up" || state === "cancelled")) void parts.abandon(id);
  });
  return {
    runner,
    close() {
      stopAbandoning();
      unregister();
      return runner.close({ graceMs: closeGraceMs });
    },
  };
}
