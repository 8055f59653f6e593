import { readFileSync } from "node:fs";
import path from "node:path";
import { createContext, runInContext } from "node:vm";
import { describe, expect, test } from "vitest";
import {
  decideRetry,
  type RetryPolicy,
  readRetryPolicy,
  standardPolicy,
  threeQuickTries,
} from "../../src/lib/delivery/retry";
import type { Attempt } from "../../src/lib/types";
import { loadEditorHalf, packageRoot } from "../support/editor-half";

interface Fields {
  attempts: string;
  firstDelaySeconds: string;
  factor: string;
  maxDelaySeconds: string;
  jitterPercent: string;
  timeLimitMinutes: string;
  codes: string;
  kinds: string[];
}

interface Shared {
  retryPlan(policy: object): { waits: number[]; elapsed: number; endedBy: "attempts" | "time" };
  describeSeconds(seconds: number): string;
  describeWaits(waits: number[]): string;
  retryPresets: Record<string, Fields>;
}

const context = createContext({});
runInContext(readFileSync(path.join(packageRoot, "resources/retry-plan.js"), "utf8"), context);
const shared: Shared = context.DataDistribution;

/** The waits in seconds that the library itself decides on, for a server that is never there. */
function decidedWaits(policy: RetryPolicy): number[] {
  const error = { kind: "unavailable" as const, message: "", retryable: true };
  const attempts: Attempt[] = [];
  const waits: number[] = [];
  for (let elapsedMs = 0; ; ) {
    attempts.push({ n: attempts.length + 1, startedAt: elapsedMs, elapsedMs: 0, error });
    const decision = decideRetry({ ...policy, jitter: 0 }, { attempts, error, elapsedMs });
    if (!decision.retry) return waits;
    waits.push(decision.delayMs / 1_000);
    elapsedMs += decision.delayMs;
  }
}

const policyOf = (fields: Fields) =>
  readRetryPolicy({
    attempts: fields.attempts,
    firstDelayMs: Number(fields.firstDelaySeconds) * 1_000,
    factor: fields.factor,
    maxDelayMs: Number(fields.maxDelaySeconds) * 1_000,
    jitter: Number(fields.jitterPercent) / 100,
    timeLimitMs: Number(fields.timeLimitMinutes) * 60_000,
    kinds: fields.kinds,
    codes: fields.codes,
  });

const plan = (attempts: number, first: number, factor: number, most: number, limitMinutes: number) => ({
  attempts,
  firstDelaySeconds: first,
  factor,
  maxDelaySeconds: most,
  timeLimitMinutes: limitMinutes,
});

describe("the waits that the retry dialog shows", () => {
  test.each([
    plan(6, 30, 2, 600, 60),
    plan(3, 1, 2, 600, 60),
    plan(1, 30, 2, 600, 60),
    plan(20, 1, 2, 600, 60),
    plan(6, 30, 2, 600, 5),
    plan(6, 30, 2, 600, 15.5),
    plan(5, 100, 3, 60, 60),
    plan(4, 0, 1, 0, 0),
    plan(4, 10, 1.5, 3600, 60),
  ])("are those that the library decides on: %j", (fields) => {
    const policy = {
      ...standardPolicy,
      attempts: fields.attempts,
      firstDelayMs: fields.firstDelaySeconds * 1_000,
      factor: fields.factor,
      maxDelayMs: fields.maxDelaySeconds * 1_000,
      timeLimitMs: fields.timeLimitMinutes * 60_000,
    };
    const { waits, endedBy } = shared.retryPlan(fields);
    expect(waits).toEqual(decidedWaits(policy));
    expect(endedBy).toBe(waits.length === fields.attempts - 1 ? "attempts" : "time");
  });

  test("presets fill the fields with the library's own policies", () => {
    const { standard, "three-quick-tries": quick } = shared.retryPresets;
    expect(standard && policyOf(standard)).toEqual(standardPolicy);
    expect(quick && policyOf(quick)).toEqual(threeQuickTries);
    const { defaults } = loadEditorHalf("retry").definition;
    const {
      name: _,
      preset,
      ...fields
    } = Object.fromEntries(Object.entries(defaults).map(([property, { value }]) => [property, value]));
    expect(preset).toBe("standard");
    expect(fields).toEqual(standard);
  });

  test("read as people say them", () => {
    const said = [0.5, 30, 60, 90, 3_599.9, 3_600, 5_400, 90_000].map(shared.describeSeconds);
    expect(said).toEqual(["0.5 s", "30 s", "1 min", "1 min 30 s", "1 h", "1 h", "1 h 30 min", "1 d 1 h"]);
    expect(shared.describeWaits([30, 60, 600, 600])).toBe("30 s, 1 min, 10 min × 2");
  });
});
