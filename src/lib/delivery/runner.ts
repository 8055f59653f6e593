import { randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import { DeliveryError, type ErrorRecord, toErrorRecord } from "../errors";
import type { Claim, DeliveryStore, Settlement } from "../store/delivery-store";
import type { Attempt, Delivery, DeliveryDraft, Receipt } from "../types";
import type { AttemptFunction } from "./attempt";
import { type Progress, trackProgress } from "./progress";
import { countedAttempts } from "./retry";

export interface RunnerOptions {
  /** The id of the writer whose deliveries it runs. */
  queue: string;
  store: DeliveryStore;
  attempt: AttemptFunction;
  /**
   * Tells the caller's world that a delivery was delivered, skipped, cancelled or has failed. Called once
   * for each result, also for results that an earlier runner of this queue could not tell. When it
   * throws, the result is told again at the next start.
   */
  announce: (delivery: Delivery) => void | Promise<void>;
  /** Deliveries at a time. 4 by default. */
  concurrency?: number;
}

export interface RunnerEvents {
  started: [delivery: Delivery];
  progress: [delivery: Delivery, progress: Progress];
  settled: [delivery: Delivery];
  /** The runner itself could not do its work; it goes on by itself. */
  problem: [error: DeliveryError];
}

interface Running {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

const announcedStates = ["delivered", "skipped", "failed", "cancelled"] as const;
/** Timers longer than 2³¹−1 ms fire at once, and a wall clock can be set: look again at least this often. */
const longestSleepMs = 60_000;
const storeRecoveryMs = 5_000;
const cleanUpMs = 5_000;

/**
 * Runs the deliveries of one queue: at most `concurrency` at a time, each attempt once, counted,
 * settled in the store and only then announced. It never decides on retries: a failed delivery stays
 * failed until somebody lets it wait or gives it up.
 */
export class DeliveryRunner extends EventEmitter<RunnerEvents> {
  readonly #options: Required<RunnerOptions>;
  readonly #owner = randomUUID();
  readonly #running = new Map<string, Running>();
  readonly #stopListening: () => void;
  #state: "new" | "running" | "closed" = "new";
  #pumping: Promise<void> | undefined;
  #pumpAgain = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RunnerOptions) {
    super();
    this.#options = { concurrency: 4, ...options };
    this.#stopListening = options.store.onChange(({ writer, state }) => {
      if (writer.id === options.queue && (state === "queued" || state === "waiting")) this.#wake();
    });
  }

  /** Announces what is still to be announced, then takes up the queue. */
  start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    void this.#announceLeftOver().then(() => this.#wake());
  }

  /**
   * Takes a delivery over: when this resolves, the store keeps it and it will end delivered or failed.
   * @throws DeliveryError `local` when the store cannot keep it
   */
  accept(draft: DeliveryDraft): Promise<{ delivery: Delivery; duplicate: boolean }> {
    return this.#options.store.accept(draft);
  }

  /** Keeps and announces a delivery that cannot be tried, so that people hear of it like of any other. */
  async refuse(draft: DeliveryDraft, error: DeliveryError): Promise<Delivery> {
    const delivery = await this.#options.store.refuse(draft, toErrorRecord(error));
    await this.#announce(delivery);
    return delivery;
  }

  /** Stops a delivery wherever it is. Returns false when it has ended already or is unknown. */
  async cancel(id: string): Promise<boolean> {
    const running = this.#running.get(id);
    if (running) {
      running.controller.abort(cancelledByPerson);
      await running.done;
      return (await this.#options.store.get(id))?.state === "cancelled";
    }
    const cancelled = await this.#options.store.cancel(id, toErrorRecord(cancelledByPerson));
    if (cancelled) await this.#announce(cancelled);
    return cancelled !== undefined;
  }

  /**
   * Takes no more work, lets what is under way finish for `graceMs`, then aborts it: an aborted attempt
   * is not counted and its delivery goes back to the queue. What ends meanwhile is announced by the
   * queue's next runner. Resolves at the latest 5 s after the grace.
   */
  async close({ graceMs = 5_000 }: { graceMs?: number } = {}): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#stopListening();
    clearTimeout(this.#timer);
    const idle = async () => {
      await this.#pumping;
      await Promise.all([...this.#running.values()].map(({ done }) => done));
    };
    await atMost(graceMs, idle());
    for (const { controller } of this.#running.values()) controller.abort(closing);
    await atMost(cleanUpMs, idle());
    this.removeAllListeners();
  }

  #wake(): void {
    this.#pumpAgain = true;
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = undefined;
    });
  }

  /** Claims what is due while there is room, then sleeps until the next is. */
  async #pump(): Promise<void> {
    let sleepMs = longestSleepMs;
    while (this.#pumpAgain && this.#state === "running") {
      this.#pumpAgain = false;
      try {
        sleepMs = await this.#claimDue();
      } catch (error) {
        this.#report(error);
        sleepMs = storeRecoveryMs;
      }
    }
    clearTimeout(this.#timer);
    if (this.#state === "running") this.#timer = setTimeout(() => this.#wake(), sleepMs);
  }

  async #claimDue(): Promise<number> {
    const { store, queue, concurrency } = this.#options;
    while (this.#state === "running" && this.#running.size < concurrency) {
      const claims = await store.claim(queue, this.#owner, concurrency - this.#running.size);
      for (const claim of claims) {
        if (this.#state === "running") this.#run(claim);
        else await store.settle(claim.lease, { state: "released" });
      }
      if (claims.length === 0) {
        const dueAt = await store.nextDueAt(queue);
        if (dueAt === undefined) break;
        return Math.min(longestSleepMs, Math.max(1, dueAt - Date.now()));
      }
    }
    return longestSleepMs;
  }

  #run(claim: Claim): void {
    const { id } = claim.delivery;
    const controller = new AbortController();
    const done = this.#attempt(claim, controller).finally(() => {
      this.#running.delete(id);
      this.#wake();
    });
    this.#running.set(id, { controller, done });
  }

  async #attempt(claim: Claim, controller: AbortController): Promise<void> {
    const { store, attempt } = this.#options;
    const { delivery } = claim;
    const stopExtending = this.#extendLease(claim, controller);
    const startedAt = Date.now();
    const startedMs = performance.now();
    const ended = (error?: ErrorRecord): Attempt => ({
      n: countedAttempts(delivery.attempts) + 1,
      startedAt,
      elapsedMs: Math.round(performance.now() - startedMs),
      ...(error && { error }),
    });
    const onProgress = trackProgress(delivery.source.size, (progress) =>
      this.emit("progress", delivery, progress),
    );

    let settlement: Settlement;
    try {
      this.emit("started", delivery);
      const receipt: Receipt = await attempt(delivery, { signal: controller.signal, onProgress });
      settlement = { state: receipt.outcome, attempt: ended(), receipt };
    } catch (thrown) {
      settlement = settleFailure(toDeliveryError(thrown), controller.signal, ended);
    }
    stopExtending();
    try {
      const settled = await store.settle(claim.lease, settlement);
      if (!settled) return;
      this.emit("settled", settled);
      if (settlement.state !== "released") await this.#announce(settled);
    } catch (error) {
      this.#report(error);
    }
  }

  /** Who loses the lease must stop: somebody else is doing the work. */
  #extendLease({ lease }: Claim, controller: AbortController): () => void {
    if (lease.expiresAt === Infinity) return () => {};
    const everyMs = Math.max(1_000, (lease.expiresAt - Date.now()) / 3);
    const timer = setInterval(() => {
      this.#options.store.extend(lease).then(
        (extended) => extended ?? controller.abort(leaseLost),
        (error: unknown) => this.#report(error),
      );
    }, everyMs);
    return () => clearInterval(timer);
  }

  async #announceLeftOver(): Promise<void> {
    const { store, queue } = this.#options;
    try {
      let after: string | undefined;
      do {
        const page = await store.list(
          { writerId: queue, states: announcedStates, announced: false },
          after === undefined ? {} : { after },
        );
        for (const delivery of page.deliveries) await this.#announce(delivery);
        after = page.next;
      } while (after !== undefined);
    } catch (error) {
      this.#report(error);
    }
  }

  async #announce(delivery: Delivery): Promise<void> {
    // After close the flow's wires are gone or stale: the next runner of this queue announces it.
    if (this.#state === "closed") return;
    try {
      await this.#options.announce(delivery);
      await this.#options.store.markAnnounced(delivery.id, delivery.version);
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.emit("problem", toDeliveryError(error));
  }
}

const cancelledByPerson = new DeliveryError("cancelled", "The delivery was cancelled.");
const closing = new DeliveryError("cancelled", "The delivery was interrupted by a deploy or a shutdown.");
const leaseLost = new DeliveryError("cancelled", "Another process has taken over the delivery.");

function settleFailure(
  error: DeliveryError,
  signal: AbortSignal,
  ended: (error: ErrorRecord) => Attempt,
): Settlement {
  if (signal.aborted && signal.reason === cancelledByPerson) {
    return { state: "cancelled", error: toErrorRecord(cancelledByPerson) };
  }
  // Whatever the transport makes of an abort, the attempt was interrupted and proves nothing.
  if (signal.aborted) return { state: "released" };
  const record = toErrorRecord(error);
  return { state: "failed", attempt: ended(record), error: record };
}

function toDeliveryError(thrown: unknown): DeliveryError {
  if (thrown instanceof DeliveryError) return thrown;
  const name = thrown instanceof Error ? thrown.name : typeof thrown;
  const error = new DeliveryError(
    "internal",
    `An unexpected ${name} stopped the delivery. Please report it.`,
    {
      cause: thrown,
    },
  );
  // The frames say where; the original's message may hold a secret.
  const frames = (thrown instanceof Error ? thrown.stack : undefined)?.match(/^ +at .*$/gm);
  if (frames) error.stack = [`${error.name}: ${error.message}`, ...frames].join("\n");
  return error;
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
