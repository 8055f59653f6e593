import type { DeliveryError } from "../errors";
import type { DeliveryStore } from "../store/delivery-store";
import type { Delivery } from "../types";
import type { AttemptFunction } from "./attempt";
import type { Progress } from "./progress";

export interface RunnerOptions {
  /** The id of the writer whose deliveries it runs. */
  queue: string;
  store: DeliveryStore;
  attempt: AttemptFunction;
  /**
   * Tells the caller's world that a delivery was delivered, skipped, cancelled or has failed. Called once
   * for each result, also for results that an earlier runner of this queue could not tell. When it
   * throws, it is called again after 5 s and then after longer times, up to a minute, or by the next runner.
   */
  announce: (delivery: Delivery) => void | Promise<void>;
  /** Deliveries at a time. 4 by default. */
  concurrency?: number;
  /**
   * How long whoever was told of a result gets to begin with taking it over. Should the process die before
   * that, the result is told again. None by default.
   */
  settleMs?: number;
  /** Resolves when nobody is still taking a result over; asked after `settleMs`. */
  takenOver?: (delivery: Delivery) => Promise<void>;
}

export interface RunnerEvents {
  started: [delivery: Delivery];
  progress: [delivery: Delivery, progress: Progress];
  settled: [delivery: Delivery];
  /** Its attempt is over, and how it ended is for others to say: they have taken it over, or settled it. */
  lost: [delivery: Delivery];
  /** The runner itself could not do its work; it goes on by itself. */
  problem: [error: DeliveryError];
  /** The store does again what it could not do: give out work, or keep a result. */
  recovered: [];
}
