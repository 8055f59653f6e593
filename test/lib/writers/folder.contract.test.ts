import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFolderWriter, readFolderWriterOptions } from "../../../src/lib/writers/folder";
import { type DiskTarget, diskTarget } from "../../support/disk-target";
import { describeWriterContract, type WriterHarness } from "./contract";

function folder(verify: "small-files" | "size"): WriterHarness {
  let root: string;
  let disk: DiskTarget;
  return {
    name: `folder (verify: ${verify})`,
    folders: true,
    repeats: true,
    async start() {
      root = await mkdtemp(join(tmpdir(), "folder-writer-"));
      disk = diskTarget(root);
    },
    stop: () => rm(root, { recursive: true }),
    createWriter: async (options = {}) =>
      createFolderWriter(readFolderWriterOptions({ root, verify, ...options })),
    read: (target) => disk.read(target),
    list: () => disk.list(),
    put: (target, bytes) => disk.put(target, bytes),
  };
}

for (const verify of ["small-files", "size"] as const) describeWriterContract(folder(verify));
