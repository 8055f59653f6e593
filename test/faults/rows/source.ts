import { DeliveryError, type ErrorKind } from "../../../src/lib";
import { type FaultRow, usualBytes } from "../row";
import type { Symptom } from "../symptoms/symptom";

function says(kind: ErrorKind, sentence: string): readonly [Symptom] {
  return [{ symptom: sentence, kind, code: "TEST", says: sentence }];
}

function breaking(
  failAfterBytes: number,
  kind: ErrorKind,
  sentence: string,
): Pick<FaultRow, "source" | "says"> {
  const error = new DeliveryError(kind, sentence, { code: "TEST" });
  return { source: { failAfterBytes, error, chunkBytes: 10_000 }, says: says(kind, sentence) };
}

const disk = "The disk could not be read.";

/** The source fails, and the writer says so, not what came of it at the other side. */
export const sourceFaults: FaultRow[] = [
  ...[0, usualBytes / 2, usualBytes].map(
    (bytes): FaultRow => ({
      ...{ phase: "reading the source", fault: `breaks off after ${bytes} bytes` },
      ...{ ...breaking(bytes, "unavailable", disk), ends: "delivered", attempts: 2 },
    }),
  ),
  {
    ...{ phase: "reading the source", fault: "changed meanwhile" },
    ...{ ...breaking(usualBytes / 2, "changed", "The file has changed."), ends: "delivered", attempts: 2 },
  },
  {
    ...{ phase: "reading the source", fault: "gone meanwhile" },
    ...{ ...breaking(0, "missing", "The file does not exist any more."), ends: "gave-up", attempts: 1 },
  },
  {
    ...{ phase: "reading the source", fault: "may not be read any more" },
    ...{ ...breaking(usualBytes / 2, "denied", "The file may not be read."), ends: "gave-up", attempts: 1 },
  },
  {
    ...{ phase: "reading the source", fault: "slow" },
    source: { chunkBytes: 30_000, pauseMs: 40 },
    ...{ ends: "delivered", attempts: 1 },
  },
];
