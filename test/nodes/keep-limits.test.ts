import type { NodeAPI } from "node-red";
import { expect, test } from "vitest";
import { readKeepLimits } from "../../src/nodes/shared/keep-limits";

const usual = { ageMs: 7 * 86_400_000, bytes: 10e9, deliveries: 10_000 };

function read(deliveryStore: unknown) {
  const errors: string[] = [];
  const log = { error: (text: string) => errors.push(text) };
  const RED = { settings: { ...(deliveryStore !== undefined && { deliveryStore }) }, log };
  return { limits: readKeepLimits(RED as unknown as NodeAPI), errors };
}

test.each([
  [undefined, usual],
  [{}, usual],
  [
    { keepDays: 1, keepGigabytes: "0.5", keepDeliveries: 0 },
    { ageMs: 86_400_000, bytes: 5e8, deliveries: 0 },
  ],
])("settings.js with deliveryStore %j keeps as much", (deliveryStore, limits) => {
  expect(read(deliveryStore)).toEqual({ limits, errors: [] });
});

test.each([
  [
    { keepDays: "a week" },
    /deliveryStore in settings\.js: keepDays must be a number from 1 to 3650.*usual limits/,
  ],
  [{ keepDays: 0.5, keepGigabytes: -1 }, /keepDays must be.*; keepGigabytes must be a number from 0/],
  ["much", /must be an object/],
])(
  "settings.js with deliveryStore %j is said to be wrong, and the usual limits hold",
  (deliveryStore, said) => {
    const { limits, errors } = read(deliveryStore);
    expect(limits).toEqual(usual);
    expect(errors).toEqual([expect.stringMatching(said)]);
  },
);
