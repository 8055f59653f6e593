import { retryableKinds } from "../../../src/lib";
import type { FaultRow } from "../row";
import { refusals } from "../symptoms/folder";

/** The first attempt's system call fails; the next attempt finds everything in order. */
export const folderFaults: FaultRow[] = refusals.map(({ call, ...symptom }): FaultRow => {
  const again = retryableKinds.includes(symptom.kind);
  return {
    ...{ phase: call.split(":")[0] ?? "", fault: symptom.code, server: call, says: [symptom], size: 100_000 },
    ...{ ends: again ? "delivered" : "gave-up", attempts: again ? 2 : 1 },
  };
});
