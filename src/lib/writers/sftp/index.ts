import { type DeliveryError, interrupted } from "../../errors";
import type { Receipt, Writer } from "../../types";
import { resolveConflict } from "../conflict";
import { asWriterError, type Outcomes, publishedBy, rememberOutcomes } from "../publication";
import { splitTargetName } from "../target-name";
import type { SftpConnection } from "./connection";
import { createJob, type Job } from "./job";
import type { SftpWriterOptions } from "./options";
import { accept, cleanUp, finish, lookAndGoOn, mayBeDone, withLeftover } from "./recover";
import type { SftpSession } from "./session";
import { viewTarget } from "./target-view";
import { upload } from "./upload";

export { createSftpConnection, type SftpConnection } from "./connection";
export {
  readSftpConnectionOptions,
  readSftpWriterOptions,
  type SftpConnectionOptions,
  type SftpWriterOptions,
} from "./options";

/**
 * Delivers to an SFTP server: uploads under a temporary name beside the target, has it flushed to the
 * server's disk, compares the size, renames. Needs the package `ssh2`.
 */
export function createSftpWriter(connection: SftpConnection, options: SftpWriterOptions): Writer {
  const outcomes = rememberOutcomes();
  return {
    type: "sftp",
    locate: (target) => connection.locate(splitTargetName(target).join("/")),
    async write(source, request, context) {
      const job = createJob(connection, options, source, request, outcomes.of(request), context);
      let receipt: Receipt;
      try {
        receipt = await connection.use((session) => deliver(session, job), context);
      } catch (error) {
        receipt = await recover(job, asWriterError(error, connection.description, "SFTP"), outcomes);
      }
      outcomes.forget(request);
      return receipt;
    },
    async close() {},
  };
}

async function deliver(session: SftpSession, job: Job): Promise<Receipt> {
  const found = await resolveConflict(job, viewTarget(session, job));
  if (found) return accept(session, job, found);
  await upload(session, job);
  return finish(session, job);
}

/** @throws DeliveryError the given one, or what came of looking at the server */
async function recover(job: Job, failure: DeliveryError, outcomes: Outcomes): Promise<Receipt> {
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
  outcomes.remember(job.request, ...publishedBy(job, outcome));
  if (context.signal.aborted) throw error.kind === "cancelled" ? error : interrupted();
  throw outcome === "unknown" ? withLeftover(error, job) : error;
}
