import type { NodeMessage } from "node-red";
import { expect, test } from "vitest";
import { takenOver, takeOver } from "../../src/nodes/shared/taking-over";

/** Whether it has resolved by now. */
async function isOver(id: string): Promise<boolean> {
  const pending = Symbol("pending");
  const later = new Promise((resolve) => setTimeout(resolve, 5, pending));
  return (await Promise.race([takenOver({ id }), later])) !== pending;
}

test.each([
  ["delivery", { delivery: { id: "a" } }],
  ["notification", { notification: { id: "a" } }],
  ["error", { error: { deliveryId: "a", message: "It failed." } }],
])("what a message tells of by its %s is taken over until the work is done", async (_, msg) => {
  expect(await isOver("a")).toBe(true);
  let finish = (_: string) => {};
  const working = takeOver(msg as NodeMessage, () => new Promise<string>((resolve) => (finish = resolve)));
  expect(await isOver("a")).toBe(false);
  expect(await isOver("b")).toBe(true);
  finish("kept");
  expect(await working).toBe("kept");
  expect(await isOver("a")).toBe(true);
});

test("work that fails is over, too, and its error is the caller's", async () => {
  const fail = () => Promise.reject(new Error("The disk is full."));
  const msg = { delivery: { id: "a" }, error: null } as unknown as NodeMessage;
  await expect(takeOver(msg, fail)).rejects.toThrow("The disk is full.");
  expect(await isOver("a")).toBe(true);
});

test("a message may say anything, and tell of nothing", async () => {
  const msg = { delivery: 7, notification: { id: 8 }, error: "no" } as unknown as NodeMessage;
  expect(await takeOver(msg, async () => "done")).toBe("done");
});
