import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

/** An upload in parts that is not complete. */
export interface UnfinishedUpload {
  /** Of the connection: where it is. */
  endpoint: string;
  bucket: string;
  key: string;
  uploadId: string;
  /** Of everything that was said about the object when the upload was begun. */
  fingerprint: string;
}

/**
 * Remembers which upload a delivery has begun, so that its next attempt goes on with it, also in another
 * process. S3 itself does not tell what an upload is for. All methods bear a disk that fails: without a note
 * an upload is only begun anew.
 */
export interface UnfinishedUploads {
  get(deliveryId: string): Promise<UnfinishedUpload | undefined>;
  /** @returns whether the note is on the disk */
  set(deliveryId: string, upload: UnfinishedUpload): Promise<boolean>;
  /** Somebody works on it. */
  touch(deliveryId: string): Promise<void>;
  delete(deliveryId: string): Promise<void>;
  /** Those that nobody has worked on for so long. */
  idle(ms: number): Promise<{ upload: UnfinishedUpload; remove: () => Promise<void> }[]>;
}

/** @param folder made on first use, for its owner only */
export function createUnfinishedUploads({ folder }: { folder: string }): UnfinishedUploads {
  const pathOf = (deliveryId: string) =>
    join(folder, `${createHash("sha256").update(deliveryId).digest("hex")}.json`);
  const ignore = () => {};
  return {
    get: (deliveryId) => read(pathOf(deliveryId)),
    async set(deliveryId, upload) {
      const temporary = join(folder, `${randomUUID()}.tmp`);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const handle = await open(temporary, "wx", 0o600);
        try {
          await handle.writeFile(JSON.stringify(upload));
          await handle.sync();
        } finally {
          await handle.close();
        }
        await rename(temporary, pathOf(deliveryId));
        return true;
      } catch {
        await rm(temporary, { force: true }).catch(ignore);
        return false;
      }
    },
    async touch(deliveryId) {
      const now = new Date();
      await utimes(pathOf(deliveryId), now, now).catch(ignore);
    },
    async delete(deliveryId) {
      await rm(pathOf(deliveryId), { force: true }).catch(ignore);
    },
    async idle(ms) {
      const all: Awaited<ReturnType<UnfinishedUploads["idle"]>> = [];
      for (const name of await readdir(folder).catch(() => [])) {
        const path = join(folder, name);
        const stats = await stat(path).catch(() => undefined);
        if (stats === undefined || stats.mtimeMs > Date.now() - ms) continue;
        const remove = () => rm(path, { force: true }).catch(ignore);
        const upload = name.endsWith(".json") ? await read(path) : undefined;
        if (upload) all.push({ upload, remove });
        // What a crash has left half written.
        else await remove();
      }
      return all;
    },
  };
}

async function read(path: string): Promise<UnfinishedUpload | undefined> {
  try {
    const upload = JSON.parse(await readFile(path, "utf8")) as Record<keyof UnfinishedUpload, unknown>;
    const { endpoint, bucket, key, uploadId, fingerprint } = upload;
    const all = [endpoint, bucket, key, uploadId, fingerprint];
    return all.every((value) => typeof value === "string") ? (upload as UnfinishedUpload) : undefined;
  } catch {
    return undefined;
  }
}
