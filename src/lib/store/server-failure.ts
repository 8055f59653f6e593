import { setTimeout as sleep } from "node:timers/promises";
import { classifyCommonError, DeliveryError } from "../errors";

/** A server's error. */
export interface Failure {
  error: DeliveryError;
  /** Whether the same statement may well succeed in a moment. */
  passes: boolean;
}

export interface FailureRow {
  codes: readonly string[];
  /** Ends the sentence "… cannot be used: ". */
  reason: string;
  passes?: true;
}

interface FailureContext {
  table: readonly FailureRow[];
  /** Names the server in the sentence. */
  where: string;
  /** What the server says, for codes that neither the table nor anybody knows. */
  said: string;
}

/** @param codes the most telling one first */
export function failureOf(codes: readonly string[], { table, where, said }: FailureContext): Failure {
  for (const code of codes) {
    const row = table.find((one) => one.codes.includes(code));
    if (row) return { error: storeError(where, row.reason, code), passes: row.passes ?? false };
    const common = classifyCommonError({ code }, where);
    if (common) {
      const message = `The delivery store cannot be used. ${common.message}`;
      const passes = common.kind === "unavailable" && code !== "ENOTFOUND";
      return { error: new DeliveryError("local", message, { code }), passes };
    }
  }
  return { error: storeError(where, `it says "${said}"`, codes[0]), passes: false };
}

function storeError(where: string, reason: string, code: string | undefined): DeliveryError {
  return new DeliveryError("local", `The delivery store on ${where} cannot be used: ${reason}.`, { code });
}

/** Pauses between the tries of a statement, the last one again and again. */
const pausesMs = [20, 50, 100, 200, 500];

/** Does work again while its failures pass by themselves, for `patienceMs` at most. */
export function createPatience(patienceMs: number, classify: (thrown: unknown) => Failure) {
  let over = false;
  return {
    /** @throws DeliveryError of the last failure */
    async patiently<T>(work: () => Promise<T>): Promise<T> {
      const untilMs = performance.now() + patienceMs;
      for (let tries = 0; ; tries++) {
        try {
          return await work();
        } catch (thrown) {
          const { error, passes } = classify(thrown);
          if (!passes || over || performance.now() >= untilMs) throw error;
          await sleep((pausesMs[tries] ?? 500) * (0.5 + Math.random()));
        }
      }
    },
    /** From now on every failure is the last one. */
    end() {
      over = true;
    },
  };
}
