import { expect, test } from "vitest";
import { createSayOnce } from "../../src/nodes/shared/say-once";

test("says each sentence once, and again only after it was over", () => {
  const told: string[] = [];
  const { say, forget } = createSayOnce((sentence) => told.push(sentence));
  expect(forget()).toBe(false);
  for (const sentence of ["full", "full", "locked", "full"]) say(sentence);
  expect(told).toEqual(["full", "locked"]);
  expect(forget()).toBe(true);
  say("full");
  expect(told).toEqual(["full", "locked", "full"]);
});
