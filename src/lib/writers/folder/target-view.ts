import type { BigIntStats } from "node:fs";
import { lstat } from "node:fs/promises";
import { codeOf, DeliveryError } from "../../errors";
import { companionDigests } from "../companions";
import type { TargetView } from "../conflict";
import { digestOfFile } from "./content";
import { type Job, locationOf, pathsOf, within } from "./job";

/** How an attempt looks at its target. Symbolic links are not followed. */
export function viewTarget(job: Job): TargetView {
  return {
    conflict: job.options.conflict,
    digests: companionDigests(job.companions),
    location: () => locationOf(job),
    async state() {
      const found = await look(job, pathsOf(job).final);
      if (!found) return "absent";
      if (found.isFile()) return Number(found.size);
      return found.isDirectory() ? "folder" : "other";
    },
    async mayBePublished() {
      const { final, temporary } = pathsOf(job);
      const left = await look(job, temporary);
      // link(2) gives the file its second name before the first is taken away.
      return left === undefined || left.ino === (await look(job, final))?.ino;
    },
    async compare({ sha256 }, purpose) {
      try {
        const theirs = await digestOfFile(job, pathsOf(job).final);
        return { same: theirs.sha256 === sha256, by: "read-back" };
      } catch (error) {
        const kind = error instanceof DeliveryError ? error.kind : undefined;
        // Somebody has taken it away since it was looked at.
        if (kind === "missing") return { same: false, by: "size" };
        if (kind === "denied" && purpose === "repeat") return { same: true, by: "size" };
        throw error;
      }
    },
  };
}

function look(job: Job, path: string): Promise<BigIntStats | undefined> {
  return within(job, "look", path, async () => {
    try {
      return await lstat(path, { bigint: true });
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  });
}

/** Whether the file at the target is the very one that this attempt has written. */
export async function isOurs(job: Job): Promise<boolean> {
  return job.inode !== undefined && (await look(job, pathsOf(job).final))?.ino === job.inode;
}
