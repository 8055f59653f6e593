export type * from "./content-bucket";
export * from "./content-type";
export { type Announcer, createAnnouncer, leftOverMs } from "./delivery/announcer";
export * from "./delivery/attempt";
export type { AttemptLimits } from "./delivery/deadline";
export * from "./delivery/progress";
export * from "./delivery/receipt";
export * from "./delivery/retry";
export * from "./delivery/runner";
export type * from "./delivery/runner-options";
export * from "./delivery/send-again";
export { storeRecoveryMs, toDeliveryError } from "./delivery/settlement";
export * from "./errors";
export * from "./notifiers/log";
export * from "./notifiers/mail";
export * from "./notifiers/messages";
export * from "./options";
export * from "./schedule";
export * from "./sources";
export {
  type BullmqStoreOptions,
  type PostgresQueueStoreOptions,
  type RedisStoreOptions,
  readBullmqStoreOptions,
} from "./store/bullmq/options";
export { createBullmqStore } from "./store/bullmq/store";
export type * from "./store/delivery-store";
export { createMemoryStore } from "./store/memory";
export { type MongoStoreOptions, readMongoStoreOptions } from "./store/mongo/options";
export { createMongoStore } from "./store/mongo/store";
export { readServerStoreOptions, type ServerStoreOptions } from "./store/server/options";
export { createServerStore } from "./store/server/store";
export type { ServerStoreContext } from "./store/server-access";
export { createSqliteStore, type SqliteStoreOptions } from "./store/sqlite/store";
export { deliveryStates, hasEnded } from "./store/states";
export * from "./templates";
export type * from "./types";
export * from "./writers/folder";
export * from "./writers/ftp";
export * from "./writers/memory";
export * from "./writers/s3";
export * from "./writers/sftp";
export * from "./writers/target-name";
