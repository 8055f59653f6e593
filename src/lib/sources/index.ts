export { openSource } from "./open";
export { type PrepareContext, prepareSource } from "./prepare";
export { payloadSource, readSourceSpec } from "./spec";
export { createSpool, type PutOptions, type Spool, type SpoolOptions } from "./spool";
