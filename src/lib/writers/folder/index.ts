import { type DeliveryError, interrupted } from "../../errors";
import type { Receipt, Writer } from "../../types";
import { asWriterError } from "../publication";
import { splitTargetName } from "../target-name";
import { writeContent } from "./content";
import { findFolder } from "./folders";
import { createJob, type Job, locationOf, receiptOf } from "./job";
import type { FolderWriterOptions } from "./options";
import { cleanUp, isOurs, publish, resolveConflict, withLeftover } from "./publish";

export { type FolderWriterOptions, readFolderWriterOptions } from "./options";

type Written = Pick<Job, "leaf" | "inode" | "bytes" | "sha256" | "verified">;

/** Publications whose outcome nobody could find out: delivery id → the file that may be at the target. */
type Uncertain = Map<string, Written>;

const mostUncertain = 1000;

/**
 * Delivers to a folder of this machine, or to a share that is mounted there: writes a temporary file beside
 * the target, flushes it to the disk, compares it, and gives it its name in one step.
 */
export function createFolderWriter(options: FolderWriterOptions): Writer {
  const uncertain: Uncertain = new Map();
  return {
    type: "folder",
    locate: (target) => locationOf(options.root, splitTargetName(target)),
    async write(source, request, context) {
      const job = createJob(options, source, request, context);
      try {
        return await deliver(job, uncertain);
      } catch (error) {
        return await recover(job, asWriterError(error, "the folder", "folder"), uncertain);
      }
    },
    async close() {},
  };
}

async function deliver(job: Job, uncertain: Uncertain): Promise<Receipt> {
  if (job.context.signal.aborted) throw interrupted();
  job.folder = await findFolder(job);
  const earlier = uncertain.get(job.deliveryId);
  if (earlier) {
    const done = { ...job, ...earlier, notes: job.notes };
    const ours = await isOurs(done);
    uncertain.delete(job.deliveryId);
    if (ours)
      return found(done, "An earlier attempt had delivered it; only the answer of the file system was lost.");
  }
  const skipped = await resolveConflict(job);
  if (skipped) return skipped;
  await writeContent(job);
  await publish(job);
  return receiptOf(job);
}

/** @throws DeliveryError the given one, when the file is not at the target */
async function recover(job: Job, error: DeliveryError, uncertain: Uncertain): Promise<Receipt> {
  const { signal } = job.context;
  const mayBeDone = job.publishing && (error.kind === "unavailable" || error.kind === "cancelled");
  if (mayBeDone) {
    const ours = await isOurs(job).catch(() => undefined);
    if (ours) {
      await cleanUp(job);
      return found(job, "The last step was reported as failed, but the file is in its place.");
    }
    const { leaf, inode, bytes, sha256, verified } = job;
    if (ours === undefined && uncertain.size < mostUncertain) {
      uncertain.set(job.deliveryId, { leaf, inode, bytes, sha256, verified });
    }
  }
  const outcome = await cleanUp(job);
  if (signal.aborted) throw error.kind === "cancelled" ? error : interrupted();
  throw outcome === "unknown" ? withLeftover(error, job) : error;
}

function found(job: Job, note: string): Receipt {
  job.notes.push(note);
  return receiptOf(job);
}
