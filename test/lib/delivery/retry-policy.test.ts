import { describe, expect, test } from "vitest";
import { DeliveryError, readRetryPolicy, standardPolicy } from "../../../src/lib";

describe("readRetryPolicy", () => {
  test("nothing given is the standard", () => {
    expect(readRetryPolicy({})).toEqual(standardPolicy);
  });

  test("everything given, as text where it comes from the environment", () => {
    expect(
      readRetryPolicy({
        attempts: "3",
        firstDelayMs: 1_000,
        factor: "1.5",
        maxDelayMs: "60000",
        jitter: 0,
        timeLimitMs: 0,
        kinds: ["denied", "unavailable"],
        codes: " 550, NoSuchBucket,,",
      }),
    ).toEqual({
      attempts: 3,
      firstDelayMs: 1_000,
      factor: 1.5,
      maxDelayMs: 60_000,
      jitter: 0,
      timeLimitMs: 0,
      kinds: ["denied", "unavailable"],
      codes: ["550", "NoSuchBucket"],
    });
  });

  const wrong: [name: string, value: unknown, sentence: RegExp][] = [
    ...[0, -1, 1_001, 1.5, "many", Number.NaN, true, {}].map((value): [string, unknown, RegExp] => [
      "attempts",
      value,
      /attempts must be a whole number from 1 to 1000/,
    ]),
    ...[-1, Number.POSITIVE_INFINITY, "soon", []].map((value): [string, unknown, RegExp] => [
      "firstDelayMs",
      value,
      /firstDelayMs must be a number from 0 to/,
    ]),
    ...[0.5, 101, "double"].map((value): [string, unknown, RegExp] => [
      "factor",
      value,
      /factor must be a number from 1 to 100/,
    ]),
    ["maxDelayMs", -1, /maxDelayMs must be a number from 0 to/],
    ["jitter", 1.01, /jitter must be a number from 0 to 1/],
    ["jitter", -0.1, /jitter must be a number from 0 to 1/],
    ["timeLimitMs", "1 h", /timeLimitMs must be a number from 0 to/],
    ["kinds", "unavailable", /kinds must be a list/],
    ["kinds", ["unavailable", "bad"], /kinds can hold only .* not bad/],
    ["codes", 550, /codes must be text/],
    ["codes", ["550"], /codes must be text/],
    ["attempts", `\${ATTEMPTS}`, /environment variable ATTEMPTS is not set/],
  ];
  test.each(wrong)("%s: %j is refused", (name, value, sentence) => {
    const read = () => readRetryPolicy({ [name]: value });
    expect(read).toThrow(DeliveryError);
    expect(read).toThrow(expect.objectContaining({ kind: "invalid" }));
    expect(read).toThrow(sentence);
  });

  test("every problem is named at once", () => {
    expect(() => readRetryPolicy({ attempts: 0, factor: 0, kinds: 1 })).toThrow(
      /^Retry policy: attempts .*; factor .*; kinds .*\.$/,
    );
  });

  test.each([undefined, null, "standard", 6, []])("%j is no policy", (input) => {
    expect(() => readRetryPolicy(input)).toThrow("Retry policy: the settings must be an object.");
  });
});
