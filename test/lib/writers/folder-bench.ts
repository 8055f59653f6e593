import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { DataSource, Receipt, WriteRequest } from "../../../src/lib/types";
import { createFolderWriter, readFolderWriterOptions } from "../../../src/lib/writers/folder";
import { type DiskTarget, diskTarget } from "../../support/disk-target";
import { testSource } from "../../support/sources";

export interface FolderBench {
  readonly root: string;
  /** A folder beside the root. */
  readonly outside: string;
  readonly disk: DiskTarget;
  /** One writer for the bench, with the options that it was made with. */
  deliver(content: string | DataSource, target: string, request?: Partial<WriteRequest>): Promise<Receipt>;
}

export async function folderBench(options: Record<string, unknown> = {}): Promise<FolderBench> {
  const folder = await mkdtemp(join(tmpdir(), "folder-writer-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const root = join(folder, "root");
  const outside = join(folder, "outside");
  await mkdir(root);
  await mkdir(outside);
  const writer = createFolderWriter(readFolderWriterOptions({ root, ...options }));
  return {
    root,
    outside,
    disk: diskTarget(root),
    deliver(content, target, request) {
      const source = typeof content === "string" ? testSource(Buffer.from(content)) : content;
      return writer.write(source, folderRequest(target, request), {
        signal: new AbortController().signal,
        onProgress: () => {},
      });
    },
  };
}

export function folderRequest(target: string, request: Partial<WriteRequest> = {}): WriteRequest {
  const deliveryId = randomUUID();
  return { deliveryId, target, contentType: undefined, metadata: {}, attributes: {}, ...request };
}
