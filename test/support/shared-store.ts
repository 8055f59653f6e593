import {
  type BullmqStoreOptions,
  createBullmqStore,
  createServerStore,
  type DeliveryStore,
  type ServerStoreOptions,
} from "../../src/lib";

export type SharedStoreOptions = ServerStoreOptions | BullmqStoreOptions;

/** Any store that several processes can share. */
export function openSharedStore(options: SharedStoreOptions): DeliveryStore {
  return options.kind === "redis" || options.kind === "postgresql-queue"
    ? createBullmqStore(options)
    : createServerStore(options);
}
