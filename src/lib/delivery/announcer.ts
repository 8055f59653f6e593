import type { DeliveryFilter, DeliveryStore } from "../store/delivery-store";
import type { Delivery } from "../types";
import { atMost } from "./at-most";
import { storeRecoveryMs } from "./settlement";

export interface AnnouncerOptions {
  store: DeliveryStore;
  /** Which results are its to tell. */
  whose: Pick<DeliveryFilter, "writerId" | "decidedBy" | "states">;
  /** When it throws, it is called again after a while, and again after longer ones. */
  announce: (delivery: Delivery) => void | Promise<void>;
  report: (error: unknown) => void;
  /**
   * How long whoever was told gets to begin with taking over what it was told. Should the process die before
   * that, the next one tells it again.
   */
  settleMs: number;
  /** Resolves when nobody is still taking it over. By default nobody takes longer than `settleMs`. */
  takenOver?: ((delivery: Delivery) => Promise<void>) | undefined;
}

/** Tells of results, each once, and notes in the store that they were told. */
export interface Announcer {
  announce(delivery: Delivery): Promise<void>;
  /**
   * Announces what nobody has announced among what finished before this time: by default all, unless other
   * processes may just be announcing theirs.
   */
  announceLeftOver(finishedBefore?: number): Promise<void>;
  /** Announces nothing more; resolves when what is being announced has been. */
  close(): Promise<void>;
}

/** How far the announcement of a delivery's version has come. */
interface Telling {
  version: number;
  /** `held`: it was told, and whoever was told is taking it over. */
  state: "telling" | "failed" | "told" | "held" | "noted";
}

/** Before what could not be told is told again: twice as long each time. */
const longestPauseMs = 60_000;

/** Results that nobody has announced for so long are left over: whoever had them was closed or killed. */
export const leftOverMs = 60_000;
/** Well before others would think that. */
const holdEveryMs = leftOverMs / 3;
/** What a result that is left over may take before the next one is looked at. */
const lookMs = 100;
/** For the note of a result that was taken over a moment ago. */
const noteMs = 1_000;
/** The time is waited in so many parts: while the event loop is blocked, nobody can take anything over. */
const settleParts = 10;

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { store, whose, announce, report, settleMs, takenOver = async () => {} } = options;
  const tellings = new Map<string, Telling>();
  const underWay = new Set<Promise<void>>();
  /** What is to be noted in a moment, by its timer. */
  const later = new Map<NodeJS.Timeout, () => Promise<void>>();
  /** Of what is to be told again; the next runner does that if this one is closed before. */
  const pauses = new Set<NodeJS.Timeout>();
  let looking = 0;
  let closed = false;

  const tellingOf = ({ id, version }: Delivery): Telling | undefined => {
    const telling = tellings.get(id);
    return telling?.version === version ? telling : undefined;
  };

  const forget = ({ id }: { id: string }, telling: Telling): void => {
    // While somebody looks for what is left over, he may still hold it as not announced.
    if (looking === 0 && tellings.get(id) === telling) tellings.delete(id);
  };

  const note = async (delivery: Delivery, telling: Telling): Promise<void> => {
    await store.markAnnounced(delivery.id, delivery.version);
    telling.state = "noted";
    forget(delivery, telling);
  };

  /** What became of it if the store did what was asked, and only its answer was lost. Others wait longer. */
  const nextOf = async ({ id, state, version }: Delivery): Promise<Delivery | undefined> => {
    const found = await store.get(id);
    return found?.version === version + 1 && found.state === state && !found.announced ? found : undefined;
  };

  /**
   * Resolves when nobody is taking it over any more. Where other processes look, too, they hear now and then
   * that somebody still is: they would tell it.
   * @returns it as it then is, or undefined when somebody has decided on it meanwhile
   */
  const hold = async (told: Delivery, telling: Telling): Promise<Delivery | undefined> => {
    let over = false;
    const taking = takenOver(told).finally(() => {
      over = true;
    });
    telling.state = "held";
    let lostAnswer = false;
    for (let held = told; ; ) {
      await (store.lookEveryMs === undefined ? taking : atMost(holdEveryMs, taking));
      if (over) return lostAnswer ? ((await nextOf(held)) ?? held) : held;
      // Those who listen hear of the change before it is known here.
      telling.version = held.version + 1;
      try {
        const again = await store.takeAnnouncement(held.id, held.version);
        const own = again ?? (lostAnswer ? await nextOf(held) : undefined);
        if (!own) return undefined;
        held = own;
        lostAnswer = false;
      } catch (error) {
        report(error);
        lostAnswer = true;
      }
      telling.version = held.version;
    }
  };

  const noteAfter = (delivery: Delivery, telling: Telling, partMs: number, parts = settleParts): void => {
    let current = delivery;
    const noting = async () => {
      const held = await hold(current, telling);
      if (!held) {
        telling.state = "noted";
        forget(current, telling);
        return;
      }
      current = held;
      await note(current, telling);
    };
    const timer = setTimeout(() => {
      later.delete(timer);
      if (parts > 1) noteAfter(delivery, telling, partMs, parts - 1);
      else void track(noting().catch((error) => notNoted(current, telling, error)));
    }, partMs);
    later.set(timer, noting);
  };

  // Until it is noted, others may think that nobody has told it.
  const notNoted = (delivery: Delivery, telling: Telling, error: unknown): void => {
    report(error);
    if (!closed) noteAfter(delivery, telling, storeRecoveryMs, 1);
  };

  const tellAfter = (delivery: Delivery, failures: number): void => {
    if (closed) return;
    const timer = setTimeout(
      () => {
        pauses.delete(timer);
        void track(tellAgain(delivery, failures));
      },
      Math.min(longestPauseMs, storeRecoveryMs * 2 ** (failures - 1)),
    );
    pauses.add(timer);
  };

  const tellAgain = async (delivery: Delivery, failures: number): Promise<void> => {
    try {
      const current = await store.get(delivery.id);
      tellings.delete(delivery.id);
      // Decided on, or taken over by another process; or the next runner does it.
      if (closed || current?.version !== delivery.version || current.announced) return;
    } catch (error) {
      report(error);
      tellAfter(delivery, failures + 1);
      return;
    }
    await tell(delivery, failures);
  };

  const tell = async (delivery: Delivery, failures = 0): Promise<void> => {
    const earlier = tellingOf(delivery);
    try {
      if (earlier) {
        // It was told, and only the note failed: it must not be told again.
        if (earlier.state === "told") await note(delivery, earlier);
        return;
      }
      const telling: Telling = { version: delivery.version, state: "telling" };
      tellings.set(delivery.id, telling);
      try {
        await announce(delivery);
      } catch (error) {
        telling.state = "failed";
        tellAfter(delivery, failures + 1);
        throw error;
      }
      telling.state = "told";
      if (settleMs > 0) noteAfter(delivery, telling, settleMs / settleParts);
      else await note(delivery, telling).catch((error) => notNoted(delivery, telling, error));
    } catch (error) {
      report(error);
    }
  };

  const track = (work: Promise<void>): Promise<void> => {
    const tracked = work.finally(() => underWay.delete(tracked));
    underWay.add(tracked);
    return tracked;
  };

  // After close the flow's wires are gone or stale: the next runner of this queue announces it.
  const announceOnce = async (delivery: Delivery): Promise<void> => {
    if (!closed) await track(tell(delivery));
  };

  const announceIfStillLeft = async (listed: Delivery): Promise<void> => {
    if (!tellingOf(listed)) {
      // An announcer that is closed may have told it to somebody who is not done with it. It still notes the end.
      const since = performance.now();
      await takenOver(listed);
      if (performance.now() - since > lookMs) await new Promise((resolve) => setTimeout(resolve, noteMs));
      if (store.lookEveryMs !== undefined) {
        // Others look, too: one of them is to tell it.
        const taken = await store.takeAnnouncement(listed.id, listed.version);
        if (taken) await announceOnce(taken);
        return;
      }
      const current = await store.get(listed.id);
      if (current?.version !== listed.version || current.announced) return;
    }
    await announceOnce(listed);
  };

  return {
    announce: announceOnce,
    async announceLeftOver(
      finishedBefore = store.lookEveryMs === undefined ? Infinity : Date.now() - leftOverMs,
    ) {
      looking++;
      try {
        let after: string | undefined;
        do {
          const page = await store.list({ ...whose, announced: false }, after === undefined ? {} : { after });
          for (const delivery of page.deliveries) {
            const { finishedAt = 0, takenAt = finishedAt } = delivery;
            if (takenAt >= finishedBefore) continue;
            const announcing = announceIfStillLeft(delivery).catch(report);
            // Whoever takes long to take something over keeps the others waiting no longer than this.
            await atMost(lookMs, announcing);
          }
          after = page.next;
        } while (after !== undefined && !closed);
      } catch (error) {
        report(error);
      } finally {
        looking--;
        for (const [id, telling] of tellings) if (telling.state === "noted") forget({ id }, telling);
      }
    },
    async close() {
      closed = true;
      await Promise.all(underWay);
      for (const timer of [...later.keys(), ...pauses]) clearTimeout(timer);
      // All at once: one after the other, each would wait for the disk by itself.
      await Promise.all([...later.values()].map((noting) => noting().catch(report)));
    },
  };
}
