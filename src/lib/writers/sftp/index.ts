import { type DeliveryError, interrupted } from "../../errors";
import type { Receipt, Writer } from "../../types";
import { asWriterError } from "../publication";
import { splitTargetName } from "../target-name";
import { resolveConflict } from "./conflict";
import type { SftpConnection } from "./connection";
import { createJob, type Job, pathsOf, receiptOf } from "./job";
import type { SftpWriterOptions } from "./options";
import { cleanUp, finish, lookAndGoOn, mayBeDone, withLeftover } from "./recover";
import { fileState } from "./remote-files";
import type { SftpSession } from "./session";
import { upload } from "./upload";

export { createSftpConnection, type SftpConnection } from "./connection";
export {
  readSftpConnectionOptions,
  readSftpWriterOptions,
  type SftpConnectionOptions,
  type SftpWriterOptions,
} from "./options";

/** Publications whose outcome nobody could find out: delivery id → what may be at the target. */
type Uncertain = Map<string, Pick<Job, "leaf" | "upload">>;

const mostUncertain = 1000;

/**
 * Delivers to an SFTP server: uploads under a temporary name beside the target, has it flushed to the
 * server's disk, compares the size, renames. Needs the package `ssh2`.
 */
export function createSftpWriter(connection: SftpConnection, options: SftpWriterOptions): Writer {
  const uncertain: Uncertain = new Map();
  return {
    type: "sftp",
    locate: (target) => connection.locate(splitTargetName(target).join("/")),
    async write(source, request, context) {
      const job = createJob(connection, options, source, request, context);
      try {
        return await connection.use((session) => deliver(session, job, uncertain), context);
      } catch (error) {
        return await recover(job, asWriterError(error, connection.description, "SFTP"), uncertain);
      }
    },
    async close() {},
  };
}

async function deliver(session: SftpSession, job: Job, uncertain: Uncertain): Promise<Receipt> {
  const earlier = uncertain.get(job.deliveryId);
  if (earlier) {
    const receipt = await doneEarlier(session, job, earlier);
    uncertain.delete(job.deliveryId);
    if (receipt) return receipt;
  }
  const skipped = await resolveConflict(session, job);
  if (skipped) return skipped;
  await upload(session, job);
  return finish(session, job);
}

/** The earlier attempt renamed its upload and never heard back: its file must not count as somebody else's. */
async function doneEarlier(
  session: SftpSession,
  job: Job,
  earlier: Pick<Job, "leaf" | "upload">,
): Promise<Receipt | undefined> {
  const { leaf, upload: done } = earlier;
  const paths = pathsOf(session, { ...job, leaf });
  if ((await fileState(session, paths.temporary)) !== "absent") return undefined;
  if ((await fileState(session, paths.final)) !== done.bytes) return undefined;
  Object.assign(job, { leaf, upload: done, verified: "size" });
  job.notes.push("An earlier attempt had delivered it; only the server's answer was lost.");
  return receiptOf(job);
}

/** @throws DeliveryError the given one, or what came of looking at the server */
async function recover(job: Job, failure: DeliveryError, uncertain: Uncertain): Promise<Receipt> {
  const { connection, context } = job;
  let error = failure;
  if (mayBeDone(job, error) && !context.signal.aborted) {
    try {
      const use = { signal: context.signal, fresh: true };
      const receipt = await connection.use((session) => lookAndGoOn(session, job), use);
      if (receipt) return receipt;
      job.renaming = false;
    } catch (second) {
      error = asWriterError(second, connection.description, "SFTP");
    }
  }
  const outcome = await cleanUp(job);
  // Only a rename takes the temporary name away without us.
  if (job.renaming && outcome !== "removed" && uncertain.size < mostUncertain) {
    uncertain.set(job.deliveryId, { leaf: job.leaf, upload: { ...job.upload, unanswered: new Map() } });
  }
  if (context.signal.aborted) throw error.kind === "cancelled" ? error : interrupted();
  throw outcome === "unknown" ? withLeftover(error, job) : error;
}
