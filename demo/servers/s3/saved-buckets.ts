import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { type ContentFile, createContent } from "./content";
import type { S3Bucket, S3Object } from "./store";

type SavedObject = Omit<S3Object, "content"> & { content: readonly ContentFile[] };
type SavedBucket = Omit<S3Bucket, "objects"> & { objects: Map<string, SavedObject> };

/** Buckets as `saveBuckets` has written them; none where there is no file. */
export function loadBuckets(file: string): Map<string, S3Bucket> {
  const saved = readIfThere(file);
  const buckets: SavedBucket[] = saved ? deserialize(saved) : [];
  return new Map(
    buckets.map((bucket) => {
      const objects = [...bucket.objects.values()].map((object): [string, S3Object] => [
        object.key,
        { ...object, content: createContent(object.content.map(({ path, bytes }) => ({ path, bytes }))) },
      ]);
      return [bucket.name, { ...bucket, objects: new Map(objects) }];
    }),
  );
}

/** All that the server keeps in memory: at once, so that two answers never mix theirs. */
export function saveBuckets(file: string, buckets: ReadonlyMap<string, S3Bucket>): void {
  const saved = [...buckets.values()].map((bucket): SavedBucket => {
    const objects = [...bucket.objects.values()].map((object): [string, SavedObject] => [
      object.key,
      { ...object, content: object.content.files },
    ]);
    return { ...bucket, objects: new Map(objects) };
  });
  writeFileSync(`${file}.new`, serialize(saved));
  renameSync(`${file}.new`, file);
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
