import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { DeliveryRunner } from "../../../src/lib/delivery/runner";
import { createMemoryStore } from "../../../src/lib/store/memory";
import type { DeliveryDraft, Receipt } from "../../../src/lib/types";

const receipt: Receipt = {
  location: "nowhere",
  outcome: "delivered",
  bytes: 0,
  sha256: "",
  verified: "none",
  notes: [],
};

function draft(): DeliveryDraft {
  return {
    id: randomUUID(),
    writer: { id: "writer", type: "test", name: "" },
    source: { kind: "text", name: "a.txt", text: "" },
    target: "a.txt",
    location: "nowhere",
    metadata: {},
    attributes: {},
  };
}

test("a delivery that is accepted while the queue is being looked at is not left for the next look", async () => {
  // Whatever the runner is about to do: each round accepts one step of it later.
  for (let steps = 0; steps < 40; steps++) {
    const store = createMemoryStore();
    const announced = new Promise((resolve) => {
      const runner = new DeliveryRunner({
        queue: "writer",
        store,
        attempt: async () => receipt,
        announce: async ({ state }) => {
          resolve(state);
          await runner.close();
        },
      });
      const acceptLater = async () => {
        for (let step = 0; step < steps; step++) await Promise.resolve();
        await runner.accept(draft());
      };
      runner.start();
      void acceptLater();
    });
    const inTime = new Promise((resolve) => setTimeout(resolve, 500, `forgotten after ${steps} steps`));
    expect(await Promise.race([announced, inTime])).toBe("delivered");
  }
});
