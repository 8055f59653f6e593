import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createAbsentSpool, createMemoryStore, DeliveryError, type DeliveryStore } from "../../src/lib";
import { type Engine, forgetOld, holderOf } from "../../src/nodes/shared/engine";
import { attempt, draftOf, receipt } from "../lib/store/contract";

function engineWith(changes: Partial<DeliveryStore> = {}): Engine {
  const store = { ...createMemoryStore(), ...changes };
  return { store, spool: createAbsentSpool(), keepSource: async (source) => source };
}

const away = () => Promise.reject(new DeliveryError("local", "The database does not answer."));

test("a store that does not answer keeps nobody waiting whose delivery is in another one", async () => {
  const silent = engineWith({ get: () => new Promise(() => {}) });
  const broken = engineWith({ get: away });
  const holder = engineWith();
  const { delivery } = await holder.store.accept(draftOf());
  expect(await holderOf([silent, broken, holder], delivery.id)).toBe(holder);
});

test("of a delivery that no store has it is said why, and first which store cannot be asked", async () => {
  const id = randomUUID();
  const broken = engineWith({ get: away });
  await expect(holderOf([engineWith(), broken], id)).rejects.toMatchObject({ kind: "local" });
  await expect(holderOf([engineWith()], id)).rejects.toMatchObject({ code: "UNKNOWN_DELIVERY" });
});

test("a store that cannot forget does not keep the others from it", async () => {
  const engine = engineWith();
  const { delivery } = await engine.store.accept(draftOf());
  const [claim] = await engine.store.claim("writer", "owner", 1);
  if (!claim) throw new Error("Nothing was due.");
  const settled = await engine.store.settle(claim, { state: "delivered", attempt, receipt });
  await engine.store.markAnnounced(delivery.id, settled?.version ?? 0);
  const limits = { ageMs: 86_400_000, bytes: 0, deliveries: 0 };
  await expect(forgetOld([engineWith({ prune: away }), engine], limits)).rejects.toThrow("does not answer");
  expect(await engine.store.get(delivery.id)).toBeUndefined();
});
