import { expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib";
import type { StoreBackend } from "../../../src/lib/store/backend";
import { createLeaseStore } from "../../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../../src/lib/store/memory";
import { failureOf } from "../sources/folder";
import { draftOf } from "./contract";

/** A store in which nobody's claim ends by itself, as in a file. */
function storeOn(changes: (backend: StoreBackend) => Partial<StoreBackend>) {
  const backend = createMemoryBackend();
  return createLeaseStore({ ...backend, ...changes(backend) }, { leaseMs: Infinity });
}

function full(): DeliveryError {
  return new DeliveryError("local", "The store cannot be written: the disk is full.");
}

test("what was claimed is handed over, though the store fails when it is asked for more", async () => {
  let asked = 0;
  const store = storeOn((backend) => ({
    async claimable(...request) {
      if (++asked > 1) throw full();
      return backend.claimable(...request);
    },
  }));
  const { delivery } = await store.accept(draftOf());
  const claims = await store.claim("writer", "owner", 4);
  expect(claims.map((claim) => claim.delivery.id)).toEqual([delivery.id]);
  expect((await failureOf(store.claim("writer", "owner", 4))).kind).toBe("local");
});

test("of several claims those that were made are handed over, though others fail", async () => {
  const drafts = [draftOf(), draftOf(), draftOf()];
  const store = storeOn((backend) => ({
    async change(change) {
      if (change.id === drafts[1]?.id) throw full();
      return backend.change(change);
    },
  }));
  for (const draft of drafts) await store.accept(draft);
  const claims = await store.claim("writer", "owner", 3);
  expect(claims.map(({ delivery }) => delivery.id)).toEqual([drafts[0]?.id, drafts[2]?.id]);
  // The other one is nobody's, and comes when the store works again.
  expect(await store.counts("writer")).toMatchObject({ sending: 2, queued: 1 });
  expect((await failureOf(store.claim("writer", "owner", 1))).kind).toBe("local");
});
