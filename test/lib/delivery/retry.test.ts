import { describe, expect, test } from "vitest";
import {
  type Attempt,
  countedAttempts,
  decideRetry,
  type ErrorKind,
  type ErrorRecord,
  errorKinds,
  type RetryPolicy,
  retryableKinds,
  standardPolicy,
  threeQuickTries,
} from "../../../src/lib";

const middle = () => 0.5;
const shortest = () => 0;
const longest = () => 1 - Number.EPSILON / 2;

function errorOf(kind: ErrorKind, more: Partial<ErrorRecord> = {}): ErrorRecord {
  return { kind, message: "It failed.", retryable: retryableKinds.includes(kind), ...more };
}

function attemptsOf(errors: readonly ErrorRecord[]): Attempt[] {
  return errors.map((error, index) => ({ n: index + 1, startedAt: 0, elapsedMs: 0, error }));
}

interface Run {
  /** Milliseconds between the attempts. */
  waits: number[];
  reason: string;
}

interface Failures {
  policy?: Partial<RetryPolicy>;
  /** One for each attempt; the last one repeats. */
  errors?: readonly ErrorRecord[];
  random?: () => number;
  /** How long each attempt takes. */
  attemptMs?: number;
}

/** Fails until the policy gives up. */
function failUntilGivenUp({ policy, errors, random = middle, attemptMs = 0 }: Failures): Run {
  const kinds = errors ?? [errorOf("unavailable")];
  const made: ErrorRecord[] = [];
  const waits: number[] = [];
  let elapsedMs = 0;
  for (;;) {
    const error = kinds[Math.min(made.length, kinds.length - 1)] as ErrorRecord;
    made.push(error);
    elapsedMs += attemptMs;
    const situation = { attempts: attemptsOf(made), error, elapsedMs };
    const decision = decideRetry({ ...standardPolicy, ...policy }, situation, random);
    if (!decision.retry) return { waits, reason: decision.reason };
    waits.push(decision.delayMs);
    elapsedMs += decision.delayMs;
    if (waits.length > 10_000) throw new Error("It never gives up.");
  }
}

const unavailable = errorOf("unavailable");
const seconds = (...values: number[]) => values.map((value) => Math.round(value * 1_000));

interface Sequence extends Failures {
  title: string;
  waits: number[];
  reason?: RegExp;
}

const sequences: Sequence[] = [
  { title: "the standard policy", waits: seconds(30, 60, 120, 240, 480), reason: /All 6 attempts failed/ },
  {
    title: "three quick tries, as the ancestor made them",
    policy: threeQuickTries,
    waits: seconds(1, 2),
    reason: /All 3 attempts failed/,
  },
  {
    title: "a single attempt",
    policy: { attempts: 1 },
    waits: [],
    reason: /One attempt was made/,
  },
  {
    title: "the cap",
    policy: { attempts: 8, timeLimitMs: 1e9, jitter: 0 },
    waits: seconds(30, 60, 120, 240, 480, 600, 600),
  },
  { title: "the shortest jitter", random: shortest, waits: seconds(25.5, 51, 102, 204, 408) },
  { title: "the longest jitter", random: longest, waits: seconds(34.5, 69, 138, 276, 552) },
  {
    title: "the cap holds with the longest jitter",
    random: longest,
    policy: { attempts: 8, timeLimitMs: 1e9 },
    waits: seconds(34.5, 69, 138, 276, 552, 600, 600),
  },
  {
    title: "the shortest jitter below the cap",
    random: shortest,
    policy: { firstDelayMs: 700_000, attempts: 3 },
    waits: seconds(510, 510),
  },
  { title: "a factor of 1", policy: { factor: 1, attempts: 4 }, waits: seconds(30, 30, 30) },
  { title: "no waits at all", policy: { firstDelayMs: 0, attempts: 3 }, waits: [0, 0] },
  {
    title: "no waits with a factor that grows beyond all numbers",
    policy: { firstDelayMs: 0, factor: 100, attempts: 200 },
    waits: Array.from({ length: 199 }, () => 0),
  },
  {
    title: "a wait that grows beyond all numbers",
    policy: { firstDelayMs: 1, factor: 100, attempts: 300, maxDelayMs: 10 },
    waits: [1, ...Array.from({ length: 298 }, () => 10)],
  },
  {
    title: "the time limit ends it before the attempts do",
    policy: { attempts: 100, timeLimitMs: 600_000 },
    waits: seconds(30, 60, 120, 240),
    reason: /after the time limit of 10 min/,
  },
  {
    title: "an attempt may start exactly at the time limit",
    policy: { attempts: 100, timeLimitMs: 90_000 },
    waits: seconds(30, 60),
    reason: /after the time limit of 1.5 min/,
  },
  {
    title: "what the attempts take counts against the time limit",
    policy: { attempts: 100, timeLimitMs: 90_000 },
    attemptMs: 1,
    waits: seconds(30),
  },
  {
    title: "Retry-After wins over a shorter and a longer wait, the cap and the jitter",
    errors: [
      errorOf("throttled", { retryAfterMs: 7_000 }),
      errorOf("throttled", { retryAfterMs: 900_000 }),
      unavailable,
    ],
    random: longest,
    waits: seconds(7, 900, 138, 276, 552),
  },
  {
    title: "Retry-After of nothing",
    errors: [errorOf("unavailable", { retryAfterMs: 0 })],
    policy: { attempts: 3 },
    waits: [0, 0],
  },
  {
    title: "a Retry-After that makes no sense",
    errors: [
      errorOf("unavailable", { retryAfterMs: -5 }),
      errorOf("unavailable", { retryAfterMs: Number.NaN }),
    ],
    policy: { attempts: 3 },
    waits: seconds(30, 60),
  },
  {
    title: "Retry-After beyond the time limit",
    errors: [errorOf("throttled", { retryAfterMs: 3_600_001 })],
    waits: [],
    reason: /after the time limit of 1 h/,
  },
  {
    title: "who is throttled without a hint waits a step longer",
    errors: [errorOf("throttled"), unavailable, errorOf("throttled")],
    policy: { attempts: 4 },
    waits: seconds(60, 60, 240),
  },
  {
    title: "a changed source is tried at most three times",
    errors: [errorOf("changed")],
    waits: seconds(30, 60),
    reason: /All 3 attempts failed/,
  },
  {
    title: "a policy of two is not raised by it",
    policy: { attempts: 2 },
    errors: [errorOf("changed")],
    waits: seconds(30),
  },
  {
    title: "an error knows after how many attempts it is pointless",
    errors: [errorOf("unavailable", { maxAttempts: 3 })],
    waits: seconds(30, 60),
  },
  {
    title: "the last error decides, not an earlier one",
    errors: [errorOf("unavailable", { maxAttempts: 2 }), unavailable],
    waits: seconds(30, 60, 120, 240, 480),
  },
  {
    title: "local and cancelled attempts do not count and do not lengthen the waits of those that do",
    errors: [unavailable, errorOf("local"), errorOf("cancelled"), errorOf("local"), unavailable],
    policy: { attempts: 3 },
    waits: seconds(30, 30, 60, 120, 60),
    reason: /All 3 attempts failed/,
  },
  {
    title: "a disk that stays full is looked at ever more rarely, until the time limit",
    errors: [errorOf("local")],
    policy: { attempts: 1, timeLimitMs: 3_600_000 },
    waits: seconds(30, 60, 120, 240, 480, 600, 600, 600, 600),
    reason: /time limit/,
  },
];

describe("sequences of waits", () => {
  test.each(sequences)("$title", ({ waits, reason = /./, ...failures }) => {
    const run = failUntilGivenUp(failures);
    expect(run.waits).toEqual(waits);
    expect(run.reason).toMatch(reason);
  });

  test("every wait is within its bounds, whatever the random number", () => {
    for (let n = 0; n < 200; n++) {
      const [first = 0, second = 0] = failUntilGivenUp({ random: Math.random }).waits;
      expect(first).toBeGreaterThanOrEqual(25_500);
      expect(first).toBeLessThanOrEqual(34_500);
      expect(second).toBeGreaterThanOrEqual(51_000);
      expect(second).toBeLessThanOrEqual(69_000);
    }
  });
});

describe("failures that are not counted", () => {
  test.each(["local", "cancelled"] as const)("%s never spins and ends at the time limit", (kind) => {
    const policy = { firstDelayMs: 0, maxDelayMs: 0, timeLimitMs: 60_000, attempts: 1 };
    const { waits, reason } = failUntilGivenUp({ policy, errors: [errorOf(kind)] });
    expect(waits).toEqual(Array.from({ length: 60 }, () => 1_000));
    expect(reason).toMatch(/time limit of 1 min/);
  });

  test.each(["local", "cancelled"] as const)("%s with a Retry-After of nothing does not spin", (kind) => {
    const error = errorOf(kind, { retryAfterMs: 0 });
    const decision = decideRetry(standardPolicy, { attempts: attemptsOf([error]), error, elapsedMs: 0 });
    expect(decision).toEqual({ retry: true, delayMs: 1_000 });
  });

  test("what is pointless to try more often is not, whether or not it is counted", () => {
    const error = errorOf("local", { code: "ENOENT", maxAttempts: 3 });
    const others = attemptsOf([errorOf("unavailable"), errorOf("local", { code: "ENOSPC" })]);
    const decide = (times: number) => {
      const attempts = [...others, ...attemptsOf(Array.from({ length: times }, () => error))];
      return decideRetry(standardPolicy, { attempts, error, elapsedMs: 0 });
    };
    expect(decide(2)).toMatchObject({ retry: true });
    expect(decide(3)).toEqual({ retry: false, reason: "All 3 attempts failed." });
  });

  test("only they are left out of the count", () => {
    const errors = errorKinds.map((kind) => errorOf(kind));
    expect(countedAttempts(attemptsOf(errors))).toBe(errorKinds.length - 2);
    expect(countedAttempts([{ n: 1, startedAt: 0, elapsedMs: 0 }])).toBe(1);
  });
});

describe("what is tried again", () => {
  const decide = (policy: Partial<RetryPolicy>, error: ErrorRecord) =>
    decideRetry({ ...standardPolicy, ...policy }, { attempts: attemptsOf([error]), error, elapsedMs: 0 });

  test.each(errorKinds)("%s by default", (kind) => {
    expect(decide({}, errorOf(kind)).retry).toBe(retryableKinds.includes(kind));
  });

  test.each(errorKinds)("%s when it is chosen, and only it", (kind) => {
    for (const other of errorKinds) {
      const { retry } = decide({ kinds: [kind] }, errorOf(other));
      expect(retry, other).toBe(other === kind && kind !== "internal");
    }
  });

  test.each<[string, string | undefined, string[], boolean]>([
    ["a chosen code of a permanent kind", "550", ["450", "550"], true],
    ["another code", "553", ["450", "550"], false],
    ["a part of a code", "55", ["550"], false],
    ["no code", undefined, ["550"], false],
  ])("by code: %s", (_title, code, codes, retry) => {
    const error = errorOf("rejected", code === undefined ? {} : { code });
    expect(decide({ codes }, error).retry).toBe(retry);
  });

  test("a bug never, not even by its code", () => {
    const error = errorOf("internal", { code: "550" });
    expect(decide({ codes: ["550"], kinds: errorKinds }, error).retry).toBe(false);
  });

  test("the reason names the kind", () => {
    expect(decide({}, errorOf("denied"))).toEqual({
      retry: false,
      reason: 'Errors of the kind "denied" are not tried again.',
    });
  });

  test("what was refused at the door is not there to be tried again", () => {
    const decision = decideRetry(standardPolicy, { attempts: [], error: unavailable, elapsedMs: 0 });
    expect(decision).toMatchObject({ retry: false, reason: expect.stringMatching(/not accepted/) });
  });
});
