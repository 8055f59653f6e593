export * from "./errors";
export * from "./options";
export type * from "./store/delivery-store";
export type * from "./types";
export * from "./writers/ftp";
export * from "./writers/memory";
export * from "./writers/target-name";
