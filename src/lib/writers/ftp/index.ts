import { type DeliveryError, interrupted } from "../../errors";
import type { Receipt, Writer } from "../../types";
import { resolveConflict } from "../conflict";
import { asWriterError, type Outcomes, publishedBy, rememberOutcomes } from "../publication";
import { splitTargetName } from "../target-name";
import type { FtpConnection } from "./connection";
import { createJob, type Job, pathsOf } from "./job";
import type { FtpWriterOptions } from "./options";
import { accept, cleanUp, finish, lookAndGoOn, mayBeDone, withLeftover } from "./recover";
import { mayGoOnLater } from "./resume";
import type { FtpSession } from "./session";
import { sweep } from "./sweep";
import { viewTarget } from "./target-view";
import { upload } from "./upload";

export { createFtpConnection, type FtpConnection } from "./connection";
export {
  type FtpConnectionOptions,
  type FtpWriterOptions,
  readFtpConnectionOptions,
  readFtpWriterOptions,
} from "./options";

/**
 * Delivers to an FTP server: uploads under a temporary name beside the target, compares what arrived, renames.
 * A file's usual cost is five round trips on the control connection: EPSV, STOR, SIZE, RNFR, RNTO; one more
 * for the server's hash, or EPSV and RETR in the place of SIZE for reading a small file back.
 */
export function createFtpWriter(connection: FtpConnection, options: FtpWriterOptions): Writer {
  const outcomes = rememberOutcomes();
  return {
    type: "ftp",
    locate: (target) => connection.locate(splitTargetName(target).join("/")),
    async write(source, request, context) {
      const job = createJob(connection, options, source, request, outcomes.of(request), context);
      let receipt: Receipt;
      try {
        receipt = await connection.use((session) => deliver(session, job), context);
      } catch (error) {
        receipt = await recover(job, asWriterError(error, connection.description, "FTP"), outcomes);
      }
      outcomes.forget(request);
      return receipt;
    },
    async close() {},
  };
}

async function deliver(session: FtpSession, job: Job): Promise<Receipt> {
  const found = await resolveConflict(job, viewTarget(session, job));
  if (found) return accept(session, job, found);
  await upload(session, job);
  const done = await finish(session, job);
  if (!job.direct) await sweep(session, pathsOf(session, job).final);
  return done;
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
      error = asWriterError(second, connection.description, "FTP");
    }
  }
  const keep = mayGoOnLater(job, error);
  const outcome = await cleanUp(job, keep);
  outcomes.remember(job.request, ...publishedBy(job, outcome));
  if (context.signal.aborted) throw error.kind === "cancelled" ? error : interrupted();
  throw outcome === "unknown" && !keep ? withLeftover(error, job) : error;
}
