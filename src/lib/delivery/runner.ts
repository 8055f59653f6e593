import { randomUUID } from "node:crypto";
import { EventEmitter, setMaxListeners } from "node:events";
import { type DeliveryError, type ErrorRecord, toErrorRecord } from "../errors";
import type { Claim, Settlement } from "../store/delivery-store";
import { unreadableCode } from "../store/rows";
import type { Attempt, Delivery, DeliveryDraft, Receipt } from "../types";
import { type Announcer, createAnnouncer, leftOverMs } from "./announcer";
import { atMost } from "./at-most";
import { keepLease } from "./lease";
import { trackProgress } from "./progress";
import { countedAttempts } from "./retry";
import type { RunnerEvents, RunnerOptions } from "./runner-options";
import {
  cancelledByPerson,
  closing,
  leaseLost,
  refusalOf,
  settleFailure,
  settleUntilKept,
  storeRecoveryMs,
  toDeliveryError,
} from "./settlement";

interface Running {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

/** Whoever gives a delivery up announces that. */
const announcedStates = ["delivered", "skipped", "failed", "cancelled"] as const;
/** Longer timers than 2³¹−1 ms fire at once, and clocks can be set: look again at least this often. */
const longestSleepMs = 60_000;
/** Something is due, yet was not given out: its time is a moment ahead, or another clock is behind. */
const shortestSleepMs = 20;
const cleanUpMs = 5_000;

/**
 * Runs the deliveries of one queue: at most `concurrency` at a time, each attempt once, counted,
 * settled in the store and only then announced. It never decides on retries: a failed delivery stays
 * failed until somebody lets it wait or gives it up.
 */
export class DeliveryRunner extends EventEmitter<RunnerEvents> {
  readonly #options: Required<Omit<RunnerOptions, "takenOver">> & Pick<RunnerOptions, "takenOver">;
  readonly #owner = randomUUID();
  readonly #announcer: Announcer;
  readonly #running = new Map<string, Running>();
  /** Aborted when the grace is over. */
  readonly #ending = new AbortController();
  readonly #stopListening: () => void;
  readonly #longestSleepMs: number;
  #state: "new" | "running" | "closed" = "new";
  #closed: Promise<void> | undefined;
  #pumping: Promise<void> | undefined;
  #pumpAgain = false;
  #claimFailed = false;
  #timer: NodeJS.Timeout | undefined;
  #lookedForLeftOverMs = 0;

  constructor(options: RunnerOptions) {
    super();
    // Every attempt under way may listen, and they are no leak.
    setMaxListeners(0, this.#ending.signal);
    this.#options = { concurrency: 4, settleMs: 0, ...options };
    this.#longestSleepMs = options.store.lookEveryMs ?? longestSleepMs;
    this.#announcer = createAnnouncer({
      ...this.#options,
      whose: { writerId: options.queue, states: announcedStates },
      report: this.#report,
    });
    this.#stopListening = options.store.onChange((delivery) => {
      if (delivery.writer.id === options.queue) this.#onChange(delivery);
    });
  }

  /** Announces what is still to be announced, then takes up the queue. */
  start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    this.#lookedForLeftOverMs = performance.now();
    void this.#announcer.announceLeftOver().then(() => this.#wake());
  }

  /**
   * Takes a delivery over: when this resolves, the store keeps it and it will end delivered or failed.
   * @throws DeliveryError `local` when the store cannot keep it
   */
  async accept(draft: DeliveryDraft): Promise<{ delivery: Delivery; duplicate: boolean }> {
    try {
      return await this.#options.store.accept(draft);
    } catch (error) {
      throw toDeliveryError(error);
    }
  }

  /**
   * Keeps and announces a delivery that cannot be tried, so that people hear of it like of any other.
   * @throws DeliveryError `local` when the store cannot keep it
   */
  async refuse(draft: DeliveryDraft, error: DeliveryError): Promise<Delivery> {
    const refusing = this.#options.store.refuse(draft, refusalOf(error));
    const delivery = await refusing.catch((thrown: unknown) => {
      throw toDeliveryError(thrown);
    });
    if (delivery.state === "failed" && !delivery.announced) await this.#announcer.announce(delivery);
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
    if (cancelled) await this.#announcer.announce(cancelled);
    return cancelled !== undefined;
  }

  /**
   * Takes no more work, lets what is under way finish for `graceMs`, then aborts it: an aborted attempt
   * is not counted and its delivery goes back to the queue. What ends meanwhile is announced by the
   * queue's next runner. Resolves at the latest 5 s after the grace.
   */
  close({ graceMs = 5_000 }: { graceMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    this.#state = "closed";
    this.#stopListening();
    clearTimeout(this.#timer);
    const announced = this.#announcer.close();
    const idle = async () => {
      await this.#pumping;
      await Promise.all([announced, ...[...this.#running.values()].map(({ done }) => done)]);
    };
    await atMost(graceMs, idle());
    this.#ending.abort();
    for (const { controller } of this.#running.values()) controller.abort(closing);
    await atMost(cleanUpMs, idle());
    this.removeAllListeners();
  }

  #onChange(delivery: Delivery): void {
    const { state, error } = delivery;
    if (state === "queued" || state === "waiting") this.#wake();
    // The store has set it aside while it was asked for work: nobody else knows.
    if (state === "failed" && error?.code === unreadableCode) void this.#announcer.announce(delivery);
  }

  #wake(): void {
    if (this.#state !== "running") return;
    this.#pumpAgain = true;
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = undefined;
      // Who called between the last look and this moment was not heard yet.
      if (this.#pumpAgain) this.#wake();
    });
  }

  /** Claims what is due while there is room, then sleeps until the next is. */
  async #pump(): Promise<void> {
    let sleepMs = this.#longestSleepMs;
    while (this.#pumpAgain && this.#state === "running") {
      this.#pumpAgain = false;
      try {
        sleepMs = await this.#claimDue();
        if (this.#claimFailed) this.#tell(() => this.emit("recovered"));
        this.#claimFailed = false;
      } catch (error) {
        this.#claimFailed = true;
        this.#report(error);
        sleepMs = storeRecoveryMs;
      }
    }
    clearTimeout(this.#timer);
    if (this.#state !== "running") return;
    this.#timer = setTimeout(() => this.#wake(), sleepMs);
    if (performance.now() - this.#lookedForLeftOverMs < leftOverMs) return;
    this.#lookedForLeftOverMs = performance.now();
    void this.#announcer.announceLeftOver(Date.now() - leftOverMs);
  }

  async #claimDue(): Promise<number> {
    const { store, queue, concurrency } = this.#options;
    while (this.#state === "running" && this.#running.size < concurrency) {
      const claims = await store.claim(queue, this.#owner, concurrency - this.#running.size);
      for (const claim of claims) {
        if (this.#state === "running") this.#run(claim);
        else await this.#settle(claim, { state: "released" });
      }
      if (claims.length === 0) {
        const dueAt = await store.nextDueAt(queue);
        if (dueAt === undefined) break;
        return Math.min(this.#longestSleepMs, Math.max(shortestSleepMs, dueAt - Date.now()));
      }
    }
    return this.#longestSleepMs;
  }

  #run(claim: Claim): void {
    const { id } = claim.delivery;
    const controller = new AbortController();
    // It was claimed here before, and that lease has ended while nobody could look.
    const earlier = this.#running.get(id);
    earlier?.controller.abort(leaseLost);
    const stopExtending = keepLease(this.#options.store, claim.lease, {
      lost: () => controller.abort(leaseLost),
      report: this.#report,
    });
    const work = async () => {
      await earlier?.done;
      await this.#attempt(claim, controller.signal);
    };
    const done = work().finally(() => {
      stopExtending();
      if (this.#running.get(id) === running) this.#running.delete(id);
      this.#wake();
    });
    const running: Running = { controller, done };
    this.#running.set(id, running);
  }

  async #attempt(claim: Claim, signal: AbortSignal): Promise<void> {
    const { delivery } = claim;
    const { attempt } = this.#options;
    const startedAt = Date.now();
    const startedMs = performance.now();
    const ended = (error?: ErrorRecord): Attempt => ({
      n: countedAttempts(delivery.attempts) + 1,
      startedAt,
      elapsedMs: Math.round(performance.now() - startedMs),
      ...(error && { error }),
    });
    let underWay = true;
    const onProgress = trackProgress(delivery.source.size, (progress) => {
      if (underWay) this.#tell(() => this.emit("progress", delivery, progress));
    });

    let settlement: Settlement;
    try {
      signal.throwIfAborted();
      this.#tell(() => this.emit("started", delivery));
      const receipt: Receipt = await attempt(delivery, { signal, onProgress });
      settlement = { state: receipt.outcome, attempt: ended(), receipt };
    } catch (thrown) {
      settlement = settleFailure(toDeliveryError(thrown), signal, ended);
    }
    underWay = false;
    const settled = await this.#settle(claim, settlement);
    this.#tell(() => (settled ? this.emit("settled", settled) : this.emit("lost", delivery)));
    if (!settled) return;
    if (settlement.state !== "released") await this.#announcer.announce(settled);
  }

  #settle(claim: Claim, settlement: Settlement): Promise<Delivery | undefined> {
    return settleUntilKept(this.#options.store, claim, settlement, {
      signal: this.#ending.signal,
      report: this.#report,
      recovered: () => this.#tell(() => this.emit("recovered")),
    });
  }

  readonly #report = (error: unknown): void => {
    this.#tell(() => this.emit("problem", toDeliveryError(error)));
  };

  /** Whoever listens cannot harm the work. */
  #tell(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      // A warning: there is nobody else to tell.
      process.emitWarning(toDeliveryError(error));
    }
  }
}
