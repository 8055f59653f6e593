import { constants, type Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { DeliveryError } from "../errors";
import type { FileSpec } from "../types";
import { chunkBytes, type Feed, readAhead, reusedBuffers } from "./reading";
import { classifyFileError } from "./source-errors";

/** What tells one state of a file from another. */
export interface FilePin {
  size: number;
  mtimeMs: number;
  inode: number;
}

/** @throws DeliveryError as the table of source errors says; `invalid` for anything but a regular file */
export async function statFile(path: string): Promise<FilePin> {
  const stats = await stat(path).catch((error: unknown) => {
    throw classifyFileError(error, path);
  });
  return pinOf(stats, path);
}

/**
 * Opens the file and gives its bytes from `start`. What it finds must be as pinned, when it is opened and
 * again after the last byte, also under its path: otherwise `changed`.
 * @throws DeliveryError
 */
export async function openFile(spec: FileSpec, start = 0): Promise<Feed> {
  const { path } = spec;
  // A named pipe would block the opening, and a thread with it, until somebody writes to it.
  await statFile(path);
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(
    (error: unknown) => {
      throw classifyFileError(error, path);
    },
  );
  try {
    const opened = pinOf(await handle.stat(), path);
    comparePin(spec, opened, path);
    return readAhead(feedOf(handle, { ...opened, path }, start));
  } catch (error) {
    await handle.close().catch(() => {});
    throw classifyFileError(error, path);
  }
}

function feedOf(handle: FileHandle, opened: FilePin & { path: string }, start: number): Feed {
  const { path, size } = opened;
  let position = start;
  // One byte more than the file had shows that it has grown.
  const { take, recycle } = reusedBuffers(Math.min(chunkBytes, Math.max(size - start, 0) + 1));

  const next = async (): Promise<Uint8Array | undefined> => {
    const into = take();
    const length = Math.min(into.length, Math.max(size - position, 0) + 1);
    const { bytesRead, buffer } = await handle.read(into, 0, length, position);
    position += bytesRead;
    if (bytesRead > 0 && position <= size) return buffer.subarray(0, bytesRead);
    comparePin(opened, pinOf(await handle.stat(), path), path);
    // The open file keeps its bytes when another takes its name: only the path can tell.
    comparePin(opened, pinOf(await stat(path).catch(gone(path)), path), path);
    if (bytesRead > 0 || position < size) throw changed(path, "its size was not the same all the time");
    return undefined;
  };
  return {
    next: () =>
      next().catch((error: unknown) => {
        throw classifyFileError(error, path);
      }),
    recycle,
    close() {
      // A drive that does not answer must not hold up whoever stops reading.
      handle.close().catch(() => {});
    },
  };
}

function gone(path: string) {
  return (error: NodeJS.ErrnoException): never => {
    if (error.code === "ENOENT") throw changed(path, "it was deleted or renamed");
    throw error;
  };
}

function pinOf(stats: Stats, path: string): FilePin {
  if (!stats.isFile()) {
    const kind = stats.isDirectory() ? "is a folder" : "is not a regular file";
    throw new DeliveryError("invalid", `The source file ${path} ${kind}. Name a file.`);
  }
  return { size: stats.size, mtimeMs: stats.mtimeMs, inode: stats.ino };
}

/** @throws DeliveryError `changed` */
export function comparePin(expected: Partial<FilePin>, found: FilePin, path: string): void {
  const differs = (name: keyof FilePin) => expected[name] !== undefined && expected[name] !== found[name];
  if (differs("size")) {
    throw changed(path, `it had ${expected.size} bytes and has ${found.size} now`);
  }
  if (differs("inode")) throw changed(path, "another file has taken its name");
  if (differs("mtimeMs")) throw changed(path, "it was written to");
}

function changed(path: string, how: string): DeliveryError {
  return new DeliveryError(
    "changed",
    `The source file ${path} changed while it was being delivered: ${how}. Send it anew, or have the data source keep a copy.`,
  );
}
