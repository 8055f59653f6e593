import { createMemoryStore } from "../../../src/lib";
import { createLeaseStore } from "../../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../../src/lib/store/memory";
import { describeStoreContract } from "./contract";

describeStoreContract({ name: "memory", createStore: createMemoryStore });

const leaseMs = 30_000;
describeStoreContract({
  name: "memory, with leases that end",
  leaseMs,
  createStore: ({ now }) => createLeaseStore(createMemoryBackend(), { now, leaseMs }),
});
