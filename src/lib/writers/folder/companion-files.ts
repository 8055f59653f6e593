import { type Companion, companionSource, companionsOf, writeEach } from "../companions";
import { asWriterError } from "../publication";
import { writeContent } from "./content";
import { type Job, locationOf } from "./job";
import { cleanUp, publish, withLeftover } from "./publish";

/**
 * Writes what belongs beside the content, as the content is written: under a temporary name, and put on the
 * disk before anything comes after it. A repeat replaces it by the same.
 * @throws DeliveryError
 */
export async function writeCompanions(job: Job): Promise<void> {
  const place = { where: "the folder", location: locationOf(job) };
  await writeEach(companionsOf(job.companions, job.request, job.leaf, job), place, async (companion) => {
    const file = jobFor(job, companion);
    try {
      await writeContent(file);
      await publish(file);
    } catch (error) {
      const known = asWriterError(error, "the folder", "folder");
      throw (await cleanUp(file)) === "unknown" ? withLeftover(known, file) : known;
    }
  });
}

/** What there would be to tell of it, the content has told. */
function jobFor(job: Job, companion: Companion): Job {
  return {
    ...job,
    // A file of that name is ours or of no more use: the content that it spoke of is gone.
    options: { ...job.options, conflict: "replace" },
    source: companionSource(companion),
    context: { ...job.context, onProgress: () => {} },
    leaf: companion.leaf,
    temporaryLeaf: companion.temporaryLeaf,
    temporary: false,
    bytes: 0,
    notes: [],
  };
}
