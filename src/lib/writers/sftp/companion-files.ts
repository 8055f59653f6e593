import { type Companion, companionSource, companionsOf, writeEach } from "../companions";
import { type Job, locationOf, pathsOf } from "./job";
import { remove, rename, replace } from "./remote-files";
import type { SftpSession } from "./session";
import { emptyUpload } from "./transfer";
import { checkUpload, upload } from "./upload";

/**
 * Writes what belongs beside the content, each under a temporary name first. A repeat replaces it by the same.
 * @throws DeliveryError
 */
export async function writeCompanions(session: SftpSession, job: Job): Promise<void> {
  const place = { where: job.connection.description, location: locationOf(job) };
  await writeEach(companionsOf(job.companions, job.request, job.leaf, job.upload), place, (companion) =>
    writeCompanion(session, job, companion),
  );
}

async function writeCompanion(session: SftpSession, job: Job, companion: Companion): Promise<void> {
  const file = jobFor(job, companion);
  job.pending = file.direct ? undefined : file.temporaryLeaf;
  await send(session, file);
  if (!file.direct && !(await giveName(session, file))) {
    await remove(session, pathsOf(session, file).temporary);
    Object.assign(file, { direct: true, upload: emptyUpload() });
    await send(session, file);
  }
  job.pending = undefined;
}

/** It goes up as the content does. What there would be to tell of that, the content has told. */
function jobFor(job: Job, companion: Companion): Job {
  return {
    ...job,
    options: { ...job.options, conflict: "replace" },
    source: companionSource(companion),
    context: { ...job.context, onProgress: () => {} },
    leaf: companion.leaf,
    temporaryLeaf: companion.temporaryLeaf,
    upload: emptyUpload(),
    notes: [],
  };
}

async function send(session: SftpSession, file: Job): Promise<void> {
  await upload(session, file);
  await checkUpload(session, file);
}

/**
 * A file of that name is ours or of no more use: the content that it spoke of is gone.
 * @returns whether the server did it
 */
async function giveName(session: SftpSession, file: Job): Promise<boolean> {
  const { temporary, final } = pathsOf(session, file);
  if ((await replace(session, temporary, final)) === undefined) return true;
  await remove(session, final);
  return (await rename(session, temporary, final)) === undefined;
}
