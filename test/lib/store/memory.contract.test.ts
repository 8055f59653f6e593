import { createMemoryStore } from "../../../src/lib";
import { describeStoreContract } from "./contract";
import { withFiniteLeases } from "./finite-leases";

describeStoreContract({ name: "memory", createStore: createMemoryStore });

const leaseMs = 30_000;
describeStoreContract({
  name: "memory, with leases that end",
  leaseMs,
  createStore: ({ now }) => withFiniteLeases(createMemoryStore({ now }), { leaseMs, now }),
});
