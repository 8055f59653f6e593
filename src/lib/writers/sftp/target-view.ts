import { DeliveryError } from "../../errors";
import { capitalised } from "../../quotation";
import { companionDigests } from "../companions";
import type { TargetView } from "../conflict";
import { type Job, locationOf, pathsOf } from "./job";
import { fileState, readBack } from "./remote-files";
import type { SftpSession } from "./session";

/** A file that only replaces itself is not worth more reading than this: sending it again is as good. */
const readBackMaxBytes = 8 * 1024 * 1024;

/** How an attempt looks at its target. SFTP has no command for a hash: what is there is read. */
export function viewTarget(session: SftpSession, job: Job): TargetView {
  const { conflict } = job.options;
  const paths = () => pathsOf(session, job);
  return {
    conflict,
    digests: companionDigests(job.companions),
    location: () => locationOf(job),
    async state() {
      const state = await fileState(session, paths().final);
      return state === "unknown" ? cannotTell(job) : state;
    },
    mayBePublished: async () => job.direct || (await fileState(session, paths().temporary)) === "absent",
    async compare({ bytes, sha256 }, purpose) {
      const tooBig = conflict === "replace" && bytes > readBackMaxBytes;
      const theirs = tooBig ? undefined : await readBack(session, paths().final, bytes);
      if (theirs !== undefined) return { same: theirs === sha256, by: "read-back" };
      return { same: purpose === "repeat", by: "size" };
    },
  };
}

function cannotTell(job: Job): DeliveryError {
  const where = capitalised(job.connection.description);
  return new DeliveryError(
    "invalid",
    `${where} does not tell whether ${locationOf(job)} exists. Choose the policy "replace".`,
    { code: "SSH_FX_PERMISSION_DENIED" },
  );
}
