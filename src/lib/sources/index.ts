export { type BucketSpoolOptions, createBucketSpool } from "./bucket-spool";
export { createLazySpool } from "./lazy-spool";
export { openSource } from "./open";
export { type PrepareContext, prepareSource } from "./prepare";
export { createAbsentSpool, isShared, shareSource } from "./share";
export { payloadSource, readSourceSpec } from "./spec";
export { createSpool, type PutOptions, type Spool, type SpoolOptions } from "./spool";
