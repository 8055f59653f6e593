import { expect, test } from "vitest";
import { createAbsentSpool, openSource } from "../../../src/lib/sources";
import { openContent } from "../../../src/lib/writers/s3/content-parts";

const mebibyte = 1024 * 1024;

test("uploads that wait for their turn keep no memory of parts that they have sent", async () => {
  const bytes = Buffer.alloc(12 * mebibyte);
  const before = process.memoryUsage().arrayBuffers;
  const contents = [];
  for (let n = 0; n < 40; n++) {
    const source = await openSource({ kind: "bytes", name: "n", bytes }, { spool: createAbsentSpool() });
    const content = await openContent(source, 4 * mebibyte, new AbortController().signal);
    contents.push(content);
    (await content.next()).release(true);
  }
  // 32 MiB may be held at once, and a little is on the way.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * mebibyte);
  for (const content of contents) content.close();
});
