import { type Companion, companionSource, companionsOf, writeEach } from "../companions";
import { emptyUpload, type Job, locationOf, pathsOf } from "./job";
import { move } from "./publish";
import { fileState } from "./remote-files";
import type { FtpSession } from "./session";
import { store } from "./transfer";

/**
 * Writes what belongs beside the content, each under a temporary name first. A repeat replaces it by the same.
 * @throws DeliveryError
 */
export async function writeCompanions(session: FtpSession, job: Job): Promise<void> {
  const place = { where: session.context.where, location: locationOf(job) };
  await writeEach(companionsOf(job.companions, job.request, job.leaf, job.upload), place, (companion) =>
    writeCompanion(session, job, companion),
  );
}

async function writeCompanion(session: FtpSession, job: Job, companion: Companion): Promise<void> {
  const { folder } = pathsOf(session, job);
  const final = `${folder}/${companion.leaf}`;
  const temporary = `${folder}/${companion.temporaryLeaf}`;
  if (!job.direct) {
    job.pending = companion.temporaryLeaf;
    await send(session, job, companion, temporary);
    if (await replace(session, temporary, final)) {
      job.pending = undefined;
      return;
    }
    await session.ask(`DELE ${temporary}`, "remove", { path: final });
    job.pending = undefined;
  }
  await send(session, job, companion, final);
}

/** A file of that name is ours or of no more use: the content that it spoke of is gone. */
async function replace(session: FtpSession, temporary: string, final: string): Promise<boolean> {
  if (await move(session, temporary, final)) return true;
  const removed = await session.ask(`DELE ${final}`, "remove", { path: final });
  return removed.code < 400 && (await move(session, temporary, final));
}

async function send(session: FtpSession, job: Job, companion: Companion, path: string): Promise<void> {
  const { folder } = pathsOf(session, job);
  const shown = `${folder}/${companion.leaf}`;
  const { signal } = job.context;
  const upload = { ...emptyUpload };
  const context = { signal, onProgress: () => {}, digests: [], shown };
  const reply = await store(session, path, companionSource(companion), upload, context);
  if (reply.code >= 400) throw session.refusal(reply, "store", { path: shown, folderExists: true });
  const held = await fileState(session, path, shown);
  const bytes = Buffer.byteLength(companion.text);
  if (job.options.verify !== "none" && typeof held === "number" && held !== bytes) {
    const reason = Object.assign(new Error(`It holds ${held} of ${bytes} bytes.`), { code: "ECONNRESET" });
    throw session.failure(reason, "store", { path: shown });
  }
}
