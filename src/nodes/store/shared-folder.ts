import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { DeliveryError, type DeliveryStore } from "../../lib";

/** Not that of a file that is missing: what was lost is lost, and this comes back. */
export const notMounted = "ENOTMOUNTED";

/**
 * Where a share is not mounted, its folder is there all the same, and what is put into it is seen by this
 * machine only. So the folder gets a mark, and all who share the store agree on one.
 * @param own the part of the folder that is the store's, in which the mark lies
 * @returns whether the folder is still, or again, the one that was agreed on
 * @throws DeliveryError `local` when it is not there at all, or cannot be read or written
 */
export async function findSharedFolder(
  folder: string,
  own: string,
  store: DeliveryStore,
): Promise<() => Promise<boolean>> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory())
    throw unusable(folder, "is not there. Mount it, or correct its name", notMounted);
  try {
    await mkdir(own, { recursive: true, mode: 0o700 });
    const [mark] = (await readdir(own)).filter(isMark).sort();
    // The name says it all: a file by that name is there whole or not at all.
    const made = mark === undefined ? `mark-${randomUUID()}` : undefined;
    if (made !== undefined) await writeFile(path.join(own, made), "", { mode: 0o600 });
    const digest = createHash("sha256").update(path.resolve(folder)).digest("hex");
    const agreed = await store.agree(`folder:${digest}`, mark ?? made ?? "");
    const isTheSame = async () => (await stat(path.join(own, agreed)).catch(() => undefined)) !== undefined;
    // Made on the bare folder, it would stay behind when the share is mounted.
    if (made !== undefined && agreed !== made) await rm(path.join(own, made), { force: true });
    return isTheSame;
  } catch (error) {
    if (error instanceof DeliveryError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw unusable(folder, `cannot be used (${code}). Look after its rights`, code);
  }
}

export function isMark(name: string): boolean {
  return name.startsWith("mark-");
}

function unusable(folder: string, how: string, code: string | undefined): DeliveryError {
  return new DeliveryError("local", `The shared folder ${folder} of the delivery store ${how}.`, { code });
}
