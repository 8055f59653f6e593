import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { requireThat, requireTool } from "./required";

/** A disk of a few megabytes that a test can fill and write-protect. It is there until `remove`. */
export interface SmallDisk {
  /** Leaves no room at all. */
  fill(): void;
  makeRoom(): void;
  /** Nobody may have a file open for writing then. */
  protect(isReadOnly: boolean): void;
  remove(): void;
}

/** Whether this machine lets a test mount one. */
export function canMount(): boolean {
  return (
    requireTool("mount", "/usr/bin/mount") &&
    requireThat(process.getuid?.() === 0, "mounting a small disk takes root")
  );
}

export function mountSmallDisk(folder: string, megabytes: number): SmallDisk {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const options = (mode: string) => `${mode}size=${megabytes}m,mode=700`;
  execFileSync("mount", ["-t", "tmpfs", "-o", options(""), "tmpfs", folder]);
  const filler = join(folder, "filler");
  return {
    fill() {
      const handle = openSync(filler, "a");
      const block = Buffer.alloc(4_096);
      try {
        for (;;) writeSync(handle, block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      } finally {
        closeSync(handle);
      }
    },
    makeRoom: () => rmSync(filler, { force: true }),
    protect: (isReadOnly) =>
      void execFileSync("mount", ["-o", `remount,${options(isReadOnly ? "ro," : "rw,")}`, folder]),
    // Also while somebody still has a file open there.
    remove: () => void execFileSync("umount", ["--lazy", folder]),
  };
}
