import type { DeliveryError } from "../../errors";
import { restingState } from "../publication";
import { type Job, pathsOf } from "./job";
import { type FileState, fileState } from "./remote-files";
import type { FtpSession } from "./session";
import { isDamage } from "./verify";

/** Less is sent anew: looking for it, and comparing it at the end, would cost as much. */
export const resumeMinBytes = 8 * 1024 * 1024;

/**
 * How much of the content an earlier attempt has left under the temporary name, in bytes; 0 when all has to
 * be sent. Nobody else can have written there: the name is made of the delivery and its target, and a
 * delivery has the same bytes at each attempt.
 * @throws DeliveryError
 */
export async function findResumePoint(session: FtpSession, job: Job): Promise<number> {
  const { size } = job.source;
  if (job.direct || !job.earlier.repeated || size === undefined || size < resumeMinBytes) return 0;
  const { temporary, final } = pathsOf(session, job);
  const held = await restingState(() => fileState(session, temporary, final), size);
  if (typeof held !== "number") return 0;
  job.leftover = true;
  return isWorthKeeping(held) && held <= size ? held : 0;
}

/** Whether the next attempt can go on with what this one has sent, if the server has enough of it. */
export function mayGoOnLater({ direct, source, upload, context }: Job, error: DeliveryError): boolean {
  if (direct || source.size === undefined || source.size < resumeMinBytes) return false;
  // An interrupted delivery leaves nothing behind, as its writer may be gone for good.
  if (context.signal.aborted || upload.sourceFailed || isDamage(error)) return false;
  return error.kind === "unavailable" || error.kind === "throttled";
}

export function isWorthKeeping(held: FileState): held is number {
  return typeof held === "number" && held >= resumeMinBytes;
}
