import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { DeliveryError, type DeliveryStore } from "../../lib";

/**
 * Where a share is not mounted, its folder is there all the same, and what is put into it is seen by this
 * machine only. So the folder gets a mark, and all who share the store agree on it.
 * @param own the part of the folder that is the store's, in which the mark lies
 * @returns whether the folder is still, or again, the one that was agreed on
 * @throws DeliveryError `local` when it is not there at all, or cannot be written
 */
export async function findSharedFolder(
  folder: string,
  own: string,
  store: DeliveryStore,
): Promise<() => Promise<boolean>> {
  const markFile = path.join(own, "mark");
  const readMark = () => readFile(markFile, "utf8").catch(() => undefined);
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw unusable(folder, "is not there. Mount it, or correct its name", "ENOENT");
  const before = await readMark();
  if (before === undefined)
    await makeMark(markFile).catch((error: NodeJS.ErrnoException) => {
      throw unusable(folder, `cannot be written (${error.code}). Look after its rights`, error.code);
    });
  const mark = before ?? (await readMark()) ?? "";
  const digest = createHash("sha256").update(path.resolve(folder)).digest("hex");
  const agreed = await store.agree(`folder:${digest}`, mark);
  // Made on the bare folder, it would stay behind when the share is mounted.
  if (before === undefined && agreed !== mark) await rm(markFile, { force: true });
  return async () => (await readMark()) === agreed;
}

/** Of two that make it at once, one does. */
async function makeMark(file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, randomUUID(), { flag: "wx", mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

function unusable(folder: string, how: string, code: string | undefined): DeliveryError {
  return new DeliveryError("local", `The shared folder ${folder} of the delivery store ${how}.`, { code });
}
