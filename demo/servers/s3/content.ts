import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { Readable } from "node:stream";

/** Bytes on disk, in one file or, after a multipart upload, in one for each part. */
export interface Content {
  readonly bytes: number;
  readonly files: readonly ContentFile[];
  /** Inclusive `start`, exclusive `end`. The files stay until the stream has ended. */
  open(range?: { start: number; end: number }): Readable;
  /** Removes the files, once nobody reads them any more. */
  drop(): Promise<void>;
}

export interface ContentFile {
  path: string;
  bytes: number;
}

export function createContent(files: readonly ContentFile[]): Content {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let readers = 0;
  let dropped = false;
  const removeFiles = async () => {
    if (dropped && readers === 0) await Promise.all(files.map(({ path }) => rm(path, { force: true })));
  };

  async function* read(start: number, end: number) {
    let offset = 0;
    for (const file of files) {
      const from = Math.max(start - offset, 0);
      const to = Math.min(end - offset, file.bytes);
      offset += file.bytes;
      if (from < to) {
        yield* createReadStream(file.path, { start: from, end: to - 1, highWaterMark: 256 * 1024 });
      }
    }
  }

  return {
    bytes,
    files,
    open({ start, end } = { start: 0, end: bytes }) {
      readers += 1;
      const stream = Readable.from(read(start, end), { objectMode: false });
      stream.once("close", () => {
        readers -= 1;
        void removeFiles();
      });
      return stream;
    },
    drop() {
      dropped = true;
      return removeFiles();
    },
  };
}
