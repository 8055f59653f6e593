import { mkdir, open, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { codeOf, DeliveryError } from "../../errors";
import { type Job, within } from "./job";

/**
 * Finds the target's folder, and makes it where that is allowed.
 *
 * Symbolic links may be followed as long as they stay below the root: what is made and written lies there
 * for certain, unless somebody with write permission in it changes its folders in the same moment. A link
 * under the target's own name is never followed: it is a file like others, and is replaced.
 * @returns its path without symbolic links
 * @throws DeliveryError `missing` when the root is missing, as it does when a share is not mounted;
 *   `invalid` when a link leads out of the root
 */
export async function findFolder(job: Job): Promise<string> {
  const root = await findRoot(job);
  let folder = root;
  for (const segment of job.folders) folder = await enter(job, root, join(folder, segment));
  return folder;
}

async function findRoot(job: Job): Promise<string> {
  const { root } = job.options;
  return within(job, "root", root, async () => {
    const path = await realpath(root);
    if (!(await stat(path)).isDirectory())
      throw Object.assign(new Error("not a folder"), { code: "ENOTDIR" });
    return path;
  });
}

/** One step at a time, each checked before the next: nothing is ever made outside. */
async function enter(job: Job, root: string, folder: string): Promise<string> {
  const found = await realFolder(job, folder);
  const real = found ?? (await make(job, folder));
  if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return real;
  throw new DeliveryError(
    "invalid",
    `${folder} is a symbolic link that leads out of the folder ${job.options.root}. Choose another name, or remove the link.`,
    { code: "ELOOP" },
  );
}

async function realFolder(job: Job, folder: string): Promise<string | undefined> {
  return within(job, "folder", folder, async () => {
    try {
      const path = await realpath(folder);
      if ((await stat(path)).isDirectory()) return path;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
    throw Object.assign(new Error("not a folder"), { code: "ENOTDIR" });
  });
}

async function make(job: Job, folder: string): Promise<string> {
  if (!job.options.makeFolders) {
    throw new DeliveryError(
      "missing",
      `There is no folder ${folder}. Make it, or let the writer make folders.`,
      { code: "ENOENT" },
    );
  }
  await within(job, "folder", folder, async () => {
    try {
      await mkdir(folder);
    } catch (error) {
      // Another delivery may have made it just now.
      if (codeOf(error) !== "EEXIST") throw error;
    }
  });
  await syncFolder(job, dirname(folder));
  const real = await realFolder(job, folder);
  if (real !== undefined) return real;
  throw new DeliveryError("invalid", `${folder} is a symbolic link that leads nowhere. Remove it.`, {
    code: "ENOENT",
  });
}

/** File systems that cannot do that, and Windows, say so in these ways. */
const cannotSync = new Set(["EINVAL", "EISDIR", "EPERM", "EACCES", "EBADF", "ENOTSUP", "EOPNOTSUPP"]);

/** Makes names last: without it a power cut may take back what was made or renamed in the folder. */
export async function syncFolder(job: Job, folder: string): Promise<void> {
  await within(job, "publish", folder, async () => {
    try {
      const handle = await open(folder, "r");
      await handle.sync().finally(() => handle.close());
    } catch (error) {
      if (!cannotSync.has(codeOf(error) ?? "")) throw error;
    }
  });
}
