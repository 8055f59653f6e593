import { execFile } from "node:child_process";
import { constants, existsSync } from "node:fs";
import { copyFile, mkdir, truncate, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { whereMachineCan } from "./required";

const run = promisify(execFile);

export const mkfsPath = "/sbin/mkfs.ext4";

/** Whether this machine lets a test mount disks of its own: no package brings that. */
export function requireLoopDevices(): boolean {
  return whereMachineCan(
    process.getuid?.() === 0 && existsSync("/dev/loop-control"),
    "mounting a disk image needs root and loop devices",
  );
}

/**
 * A file with an ext4 file system in it. What programs wrote is in the file once they have asked for it
 * with fsync, or after the 30 s for which Linux may keep it in memory.
 */
export async function makeDisk(image: string, sizeBytes: number): Promise<void> {
  await writeFile(image, "");
  await truncate(image, sizeBytes);
  await run(mkfsPath, ["-q", "-F", image]);
}

/** Makes the disk's files appear in a folder. @returns the way to take it away again, also while it is in use */
export async function mountDisk(image: string, folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  // The journal, too, is then written for an fsync only, and not every 5 s.
  await run("mount", ["-o", "loop,commit=300", image, folder]);
  return async () => {
    await run("umount", [folder]).catch(() => run("umount", ["--lazy", folder]));
  };
}

/** The disk as it would be if the power went now. */
export async function copyDisk(image: string, copy: string): Promise<void> {
  await copyFile(image, copy, constants.COPYFILE_FICLONE);
}
