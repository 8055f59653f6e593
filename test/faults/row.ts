import type { DeliveryState } from "../../src/lib";
import type { Fault } from "../support/fault-proxy";
import type { SourceBehaviour } from "../support/sources";
import type { SceneOptions } from "./scene";
import type { Symptom } from "./symptoms/symptom";

/** A line of the fault table: what goes wrong, and what has to come of it. */
export interface FaultRow extends SceneOptions {
  /** When it goes wrong: `the reply to the upload`. */
  phase: string;
  /** What goes wrong: `reset`. */
  fault: string;
  /** Injected before the delivery begins. */
  proxy?: Fault;
  /** Injected when the last byte was read from the source. */
  proxyAtEnd?: Fault;
  /** Of the first attempt's source. */
  source?: SourceBehaviour;
  /** In bytes. Default: `usualBytes`. */
  size?: number;
  ends: Extract<DeliveryState, "delivered" | "gave-up">;
  /** How many; or from how many on, where a busy machine may need more because time-outs are short. */
  attempts: number | { atLeast: number };
  /** What every failed attempt says: one of these. */
  says?: readonly Symptom[];
  /** What stays there although nobody wants it, where that cannot be helped. */
  leaves?: RegExp;
  /** What the receipt says beside the usual. */
  note?: RegExp;
}

export const usualBytes = 300_000;
