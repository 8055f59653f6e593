import { randomUUID } from "node:crypto";
import type { AttemptContext, WriteRequest } from "../../../src/lib/types";

export function writeRequest(target: string, changes: Partial<WriteRequest> = {}): WriteRequest {
  return {
    deliveryId: randomUUID(),
    target,
    contentType: undefined,
    metadata: {},
    attributes: {},
    ...changes,
  };
}

export function attemptContext(signal = new AbortController().signal): AttemptContext {
  return { signal, onProgress: () => {} };
}
