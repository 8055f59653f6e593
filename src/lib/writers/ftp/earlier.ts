import { deliveredEarlier, digestOf } from "../publication";
import { type Job, pathsOf } from "./job";
import { type FileState, fileState } from "./remote-files";
import type { FtpSession } from "./session";
import { comparableDigests, compareContent } from "./verify";

/** A file that only replaces itself is not worth more reading than this. */
const readBackMaxBytes = 8 * 1024 * 1024;

/**
 * Whether the file under the final name, found in the given state, is an earlier attempt's work: the
 * temporary name is free, and size and content are ours. Then the job is where it would be after publishing.
 * @throws DeliveryError
 */
export async function isDeliveredAlready(session: FtpSession, job: Job, state: FileState): Promise<boolean> {
  const { earlier, source, context, options, direct } = job;
  if (earlier.published === "no" || typeof state !== "number") return false;
  if (source.size !== undefined && source.size !== state) return false;
  const { final, temporary } = pathsOf(session, job);
  if (!direct && (await fileState(session, temporary, final)) !== "absent") return false;
  const ours = await digestOf(source, context.signal, comparableDigests(session, job));
  if (ours.bytes !== state) return false;
  const { same, by } = await compareContent(session, { path: final, shown: final }, ours, {
    hash: true,
    readBackMaxBytes: options.conflict === "replace" ? readBackMaxBytes : Number.POSITIVE_INFINITY,
  });
  // The size alone says enough only of a file that was about to get this name.
  if (!same || (by === "size" && earlier.published !== "asked")) return false;
  job.upload = { ...ours, stage: "stored" };
  job.verified = by;
  job.published = true;
  job.notes.push(deliveredEarlier);
  return true;
}
