import { chown, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { codeOf } from "../../src/lib/errors";

/** The target of a writer, seen from the server's own disk: three of a `WriterHarness`'s functions. */
export interface DiskTarget {
  read(target: string): Promise<Buffer | undefined>;
  list(): Promise<string[]>;
  put(target: string, bytes: Uint8Array): Promise<void>;
}

export interface DiskOwner {
  uid: number;
  gid: number;
}

/** @param owner whom files and folders made by `put` shall belong to. Default: this process's user. */
export function diskTarget(root: string, owner?: DiskOwner): DiskTarget {
  const give = (path: string) => (owner ? chown(path, owner.uid, owner.gid) : Promise.resolve());
  return {
    async read(target) {
      try {
        return await readFile(join(root, target));
      } catch (error) {
        if (["ENOENT", "EISDIR", "ENOTDIR"].includes(codeOf(error) ?? "")) return undefined;
        throw error;
      }
    },
    async list() {
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => !entry.isDirectory())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)));
    },
    async put(target, bytes) {
      const path = join(root, target);
      const made = await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
      await give(path);
      // Every folder from the file's up to the first one that was made here.
      for (let folder = dirname(path); made && folder.startsWith(made); folder = dirname(folder)) {
        await give(folder);
      }
    },
  };
}
