import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { type SourceBehaviour, sha256Of, testSource } from "../../support/sources";
import type { Bench, ContractCases } from "./contract-case";

interface ContentCase {
  title: string;
  bytes: Buffer;
  behaviour?: SourceBehaviour;
}

const everyNewline = Buffer.from(
  "\ufeffunix\nwindows\r\nold mac\rnext line\u0085line\u2028paragraph\u2029tab\vform\ffeed\n\r\0no newline at the end",
);

function contents(part: number): ContentCase[] {
  const bytes = randomBytes(part * 3);
  const unknownLength = { unknownLength: true };
  return [
    { title: "0 bytes", bytes: Buffer.alloc(0) },
    { title: "1 byte", bytes: Buffer.from("x") },
    { title: "every newline style and a BOM", bytes: everyNewline },
    { title: "every newline style, byte by byte", bytes: everyNewline, behaviour: { chunkBytes: 1 } },
    { title: "one byte less than a part", bytes: bytes.subarray(0, part - 1) },
    { title: "exactly a part", bytes: bytes.subarray(0, part) },
    { title: "one byte more than a part", bytes: bytes.subarray(0, part + 1) },
    { title: "two parts and a byte", bytes: bytes.subarray(0, 2 * part + 1) },
    { title: "three parts in one chunk", bytes, behaviour: { chunkBytes: bytes.length } },
    { title: "unknown length: 0 bytes", bytes: Buffer.alloc(0), behaviour: unknownLength },
    { title: "unknown length: 100 bytes", bytes: bytes.subarray(0, 100), behaviour: unknownLength },
    { title: "unknown length: exactly a part", bytes: bytes.subarray(0, part), behaviour: unknownLength },
    { title: "unknown length: three parts", bytes, behaviour: unknownLength },
  ];
}

export function contentCases(cases: ContractCases): void {
  const { partSizeBytes = 64 * 1024, bigBytes = 16 * 1024 * 1024 } = cases.harness;

  for (const { title, bytes, behaviour } of contents(partSizeBytes)) {
    cases.add(`content: ${title}`, async (bench) => {
      await deliver(bench, bytes, behaviour);
    });
  }

  cases.add("content: big, in parallel with itself", async (bench) => {
    const bytes = randomBytes(bigBytes);
    const targets = [bench.name("big-1.bin"), bench.name("big-2.bin")];
    await Promise.all(targets.map((target) => bench.write(testSource(bytes), target)));
    for (const target of targets) await bench.expectFile(target, bytes);
  });

  cases.add("content: one target written twice at once ends whole", async (bench) => {
    const bytes = randomBytes(partSizeBytes * 2 + 1);
    const target = bench.name("twice.bin");
    const results = await Promise.allSettled([
      bench.write(testSource(bytes, { pauseMs: 1 }), target),
      bench.write(testSource(bytes, { pauseMs: 1 }), target),
    ]);
    expect(results.map((result) => result.status)).toContain("fulfilled");
    await bench.expectFile(target, bytes);
  });

  cases.add("replace: by something longer, then by something shorter", async (bench) => {
    const target = bench.name("replaced.txt");
    for (const text of ["middle sized", "rather longer than the one before", "short"]) {
      const bytes = Buffer.from(text);
      await bench.write(testSource(bytes), target);
      await bench.expectFile(target, bytes);
    }
  });
}

/** Delivers, reads back, and checks that the receipt proves just that. */
async function deliver(bench: Bench, bytes: Buffer, behaviour: SourceBehaviour = {}): Promise<void> {
  const writer = await bench.createWriter();
  const target = bench.name("content.bin");
  let progressBytes = 0;
  const receipt = await bench.write(testSource(bytes, behaviour), target, {
    writer,
    onProgress: (count) => {
      progressBytes += count;
    },
  });
  await bench.expectFile(target, bytes);
  expect(receipt).toMatchObject({
    location: writer.locate(target),
    outcome: "delivered",
    bytes: bytes.length,
    sha256: sha256Of(bytes),
  });
  expect(["checksum", "read-back", "size", "none"]).toContain(receipt.verified);
  expect(receipt.notes.filter((note) => typeof note !== "string")).toEqual([]);
  expect(progressBytes, "bytes told by onProgress").toBe(bytes.length);
}
