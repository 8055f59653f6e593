import { type DeliveryError, interrupted } from "../../errors";
import type { Receipt, Writer } from "../../types";
import { type Found, resolveConflict } from "../conflict";
import { asWriterError, type Outcomes, rememberOutcomes } from "../publication";
import { writeCompanions } from "./companion-files";
import { writeContent } from "./content";
import { findFolder, syncFolder } from "./folders";
import { createJob, type Job, locationBelow, receiptOf } from "./job";
import { fileNames } from "./names";
import type { FolderWriterOptions } from "./options";
import { cleanUp, publish, removeSecondName, withLeftover } from "./publish";
import { isOurs, viewTarget } from "./target-view";

export { type FolderWriterOptions, readFolderWriterOptions } from "./options";

/**
 * Delivers to a folder of this machine, or to a share that is mounted there: writes a temporary file beside
 * the target, flushes it to the disk, compares it, and gives it its name in one step.
 */
export function createFolderWriter(options: FolderWriterOptions): Writer {
  const outcomes = rememberOutcomes();
  return {
    type: "folder",
    locate: (target) => locationBelow(options.root, fileNames(target)),
    async write(source, request, context) {
      const job = createJob(options, source, request, outcomes.of(request), context);
      let receipt: Receipt;
      try {
        receipt = await deliver(job);
      } catch (error) {
        receipt = await recover(job, asWriterError(error, "the folder", "folder"), outcomes);
      }
      outcomes.forget(request);
      return receipt;
    },
    async close() {},
  };
}

async function deliver(job: Job): Promise<Receipt> {
  if (job.context.signal.aborted) throw interrupted();
  job.folder = await findFolder(job);
  const found = await resolveConflict(job, viewTarget(job));
  if (found) return accept(job, found);
  await writeContent(job);
  await publish(job);
  return complete(job);
}

/** From content that was found in its place to the receipt. */
async function accept(job: Job, { outcome, ...content }: Found): Promise<Receipt> {
  Object.assign(job, content);
  if (job.earlier.published === "no") return receiptOf(job, outcome);
  // The attempt that may have brought it here may have got no further.
  await removeSecondName(job);
  await syncFolder(job, job.folder);
  return complete(job, outcome);
}

/** With the content in its place, what belongs beside it. */
async function complete(job: Job, outcome: Receipt["outcome"] = "delivered"): Promise<Receipt> {
  job.published = true;
  await writeCompanions(job);
  return receiptOf(job, outcome);
}

/** @throws DeliveryError the given one, when the file is not at the target, or what came of going on there */
async function recover(job: Job, failure: DeliveryError, outcomes: Outcomes): Promise<Receipt> {
  const { context, earlier, leaf } = job;
  let error = failure;
  const perhapsDone = job.publishing && !job.published && /^(unavailable|cancelled)$/.test(error.kind);
  const ours = perhapsDone ? await isOurs(job).catch(() => undefined) : false;
  const outcome = await cleanUp(job);
  if (ours) {
    job.notes.push("The last step was reported as failed, but the file is in its place.");
    try {
      return await complete(job);
    } catch (second) {
      error = asWriterError(second, "the folder", "folder");
    }
  }
  if (job.published || ours === undefined) outcomes.remember(job.request, "asked", leaf);
  // It wrote nothing, as when the root was missing: it knows no more than those before it.
  else if (job.inode === undefined) outcomes.remember(job.request, earlier.published, earlier.leaf);
  else outcomes.remember(job.request, "no", undefined);
  if (context.signal.aborted) throw error.kind === "cancelled" ? error : interrupted();
  throw outcome === "unknown" ? withLeftover(error, job) : error;
}
