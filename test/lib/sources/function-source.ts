import { createHash } from "node:crypto";
import {
  type Content,
  openSource,
  type PrepareContext,
  prepareSource,
  type SourceInput,
  type SourceSpec,
} from "../../../src/lib";
import { readAll, temporarySpool } from "./folder";

export const base = { name: "report.csv", contentType: "text/csv" };

export function sha256Of(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Prepares sources into a spool of the test file's own, and reads them back. */
export function useSpool() {
  const spool = temporarySpool();
  return {
    spool,
    produce(make: (signal: AbortSignal) => unknown, context: Partial<PrepareContext> = {}) {
      const input: SourceInput = { kind: "function", ...base, produce: make as () => Content };
      return prepareSource(input, { spool, ...context });
    },
    contentOf: async (preparing: Promise<SourceSpec>): Promise<string> =>
      String(await readAll(await openSource(await preparing, { spool }))),
  };
}
