import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import type { TargetView } from "../conflict";
import { type Job, locationOf, pathsOf } from "./job";
import { fileState } from "./remote-files";
import type { FtpSession } from "./session";
import { comparableDigests, compareContent } from "./verify";

/** A file that is only skipped, or replaces itself, is not worth more reading than this. */
const readBackMaxBytes = 8 * 1024 * 1024;

/** How an attempt looks at its target. */
export function viewTarget(session: FtpSession, job: Job): TargetView {
  const { conflict } = job.options;
  const paths = () => pathsOf(session, job);
  return {
    conflict,
    digests: comparableDigests(session, job),
    location: () => locationOf(job),
    async state() {
      const state = await fileState(session, paths().final);
      return state === "unknown" ? cannotTell(job) : state;
    },
    async mayBePublished() {
      const { temporary, final } = paths();
      return job.direct || (await fileState(session, temporary, final)) === "absent";
    },
    compare(ours, purpose) {
      const { final } = paths();
      const all = purpose === "repeat" && conflict !== "replace";
      return compareContent(session, { path: final, shown: final }, ours, {
        hash: true,
        readBackMaxBytes: all ? Number.POSITIVE_INFINITY : readBackMaxBytes,
      });
    },
  };
}

function cannotTell(job: Job): DeliveryError {
  const where = capitalised(job.connection.description);
  return new DeliveryError(
    "invalid",
    `${where} cannot tell whether ${locationOf(job)} exists: it knows neither SIZE nor MLST. Choose the policy "replace".`,
    { code: "502" },
  );
}
