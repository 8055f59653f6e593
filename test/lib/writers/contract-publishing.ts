import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import type { DataSource } from "../../../src/lib/types";
import { type SourceBehaviour, testSource, unreadableSource } from "../../support/sources";
import type { Bench, ContractCases } from "./contract-case";
import { conflictCases } from "./contract-conflicts";
import { watchTarget } from "./watch-target";

const oldContent = Buffer.from("the old file");

export function publishingCases(cases: ContractCases): void {
  const { partSizeBytes = 64 * 1024, folders = false } = cases.harness;
  // Big enough that a writer which uploads in parts has sent one when the trouble begins.
  const content = randomBytes(2 * partSizeBytes + 1);
  const chunks = 32;
  const slow = { chunkBytes: Math.ceil(content.length / chunks), pauseMs: 10 };

  connectionCases(cases);
  conflictCases(cases);
  brokenSourceCases(cases, content);
  abortCases(cases, content, slow);
  watcherCases(cases, content, slow);
  if (folders) folderCases(cases);
}

function connectionCases(cases: ContractCases): void {
  cases.add("connect, write, disconnect", async (bench) => {
    const bytes = Buffer.from("Hello, world");
    const writer = await bench.harness.createWriter();
    try {
      await bench.write(testSource(bytes), bench.name("hello.txt"), { writer });
    } finally {
      await writer.close();
    }
    await bench.expectFile(bench.name("hello.txt"), bytes);
  });

  cases.add("the same writer works after an error", async (bench) => {
    const writer = await bench.createWriter();
    const target = bench.name("second-try.txt");
    const bytes = randomBytes(100_000);
    await bench.writeFails(testSource(bytes, { failAfterBytes: 50_000 }), target, { writer });
    await bench.write(testSource(bytes), target, { writer });
    await bench.expectFile(target, bytes);
  });
}

interface BrokenSource {
  title: string;
  create(content: Buffer): DataSource;
}

function broken(title: string, behaviour: (content: Buffer) => SourceBehaviour): BrokenSource {
  return { title, create: (content) => testSource(content, behaviour(content)) };
}

const brokenSources: readonly BrokenSource[] = [
  { title: "cannot be opened", create: () => unreadableSource() },
  broken("fails before the first byte", () => ({ failAfterBytes: 0 })),
  broken("fails half-way", ({ length }) => ({ failAfterBytes: length >> 1 })),
  broken("fails half-way, length unknown", ({ length }) => ({
    failAfterBytes: length >> 1,
    unknownLength: true,
  })),
  broken("fails after its last byte", ({ length }) => ({ failAfterBytes: length })),
  broken("ends early", ({ length }) => ({ announcedBytes: length + 1000 })),
  broken("changed after a byte", ({ length }) => ({
    announcedBytes: length,
    failAfterBytes: 1,
    error: changed,
  })),
  broken("grew", ({ length }) => ({ announcedBytes: length - 1000 })),
  broken("was replaced", ({ length }) => ({ failAfterBytes: length, error: changed })),
];

const changed = new DeliveryError("changed", "The file was replaced while it was being read.");

function brokenSourceCases(cases: ContractCases, content: Buffer): void {
  for (const { title, create } of brokenSources) {
    cases.add(`source ${title}: nothing new, nothing left`, async (bench) => {
      await bench.writeFails(create(content), bench.name("new.bin"));
      expect(await bench.harness.read(bench.name("new.bin"))).toBeUndefined();
    });
    cases.add(`source ${title}: the old file stays`, async (bench) => {
      const target = await putOld(bench);
      await bench.writeFails(create(content), target);
      await bench.expectFile(target, oldContent);
    });
  }
}

function abortCases(cases: ContractCases, content: Buffer, slow: SourceBehaviour): void {
  cases.add("abort before the start: nothing is written", async (bench) => {
    const signal = AbortSignal.abort();
    const error = await bench.writeFails(testSource(content), bench.name("never.bin"), { signal });
    expect(error.kind).toBe("cancelled");
  });

  const half = content.length >> 1;
  for (const [title, behaviour] of [
    ["abort half-way", slow],
    ["abort of a source that stalls", { stallAfterBytes: half }],
    ["abort of a source that stalls before its first byte", { stallAfterBytes: 0 }],
    ["abort of a source that stalls before its end", { stallAfterBytes: content.length }],
  ] as const) {
    cases.add(`${title}: nothing new, nothing left`, async (bench) => {
      const error = await abortAfter(150, (signal) =>
        bench.writeFails(testSource(content, behaviour), bench.name("new.bin"), { signal }),
      );
      expect(error.kind).toBe("cancelled");
    });
    cases.add(`${title}: the old file stays`, async (bench) => {
      const target = await putOld(bench);
      const error = await abortAfter(150, (signal) =>
        bench.writeFails(testSource(content, behaviour), target, { signal }),
      );
      expect(error.kind).toBe("cancelled");
      await bench.expectFile(target, oldContent);
    });
  }
}

/** The write must end within seconds of the abort. */
async function abortAfter<T>(ms: number, write: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  const late = sleep(10_000, undefined, { ref: false }).then(() => {
    throw new Error("The write did not end within 10 s of the abort.");
  });
  try {
    return await Promise.race([write(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

function watcherCases(cases: ContractCases, content: Buffer, slow: SourceBehaviour): void {
  cases.add("watcher: never a part of a new file", async (bench) => {
    const target = bench.name("watched.bin");
    const watcher = watchTarget(bench.harness, target);
    await bench.write(testSource(content, slow), target).finally(() => watcher.stop());
    const seen = await watcher.stop();
    // A busy machine looks seldom, but never only at the end.
    expect(seen.looks).toBeGreaterThan(1);
    expect(seen.contents.filter((bytes) => !bytes.equals(content))).toEqual([]);
    expect(seen.absent, "looks that found nothing").toBeGreaterThan(0);
    await bench.expectFile(target, content);
  });

  cases.add("watcher: the old file or the new one, always whole", async (bench) => {
    const target = await putOld(bench);
    const watcher = watchTarget(bench.harness, target);
    await bench.write(testSource(content, slow), target).finally(() => watcher.stop());
    const seen = await watcher.stop();
    expect(seen.contents.some((bytes) => bytes.equals(oldContent))).toBe(true);
    expect(seen.contents.filter((bytes) => !bytes.equals(oldContent) && !bytes.equals(content))).toEqual([]);
    expect(seen.absent, "looks that found nothing").toBe(0);
    await bench.expectFile(target, content);
  });

  cases.add("watcher: an abort is not seen", async (bench) => {
    const target = bench.name("watched.bin");
    const watcher = watchTarget(bench.harness, target);
    // Long enough for a few looks, also on a busy machine.
    const slower = { ...slow, pauseMs: 40 };
    await abortAfter(600, (signal) =>
      bench.writeFails(testSource(content, slower), target, { signal }),
    ).finally(() => watcher.stop());
    const seen = await watcher.stop();
    expect(seen.looks).toBeGreaterThan(1);
    expect(seen.contents).toEqual([]);
  });
}

function folderCases(cases: ContractCases): void {
  cases.add("target is a folder: refused, and what is in it stays", async (bench) => {
    const inside = bench.name("folder/inside.txt");
    await bench.harness.put(inside, oldContent);
    const error = await bench.writeFails(testSource(Buffer.from("new")), bench.name("folder"));
    expect(error).toMatchObject({ retryable: false });
    await bench.expectFile(inside, oldContent);
  });

  cases.add("a folder of the target is a file: refused, and the file stays", async (bench) => {
    const file = bench.name("file");
    await bench.harness.put(file, oldContent);
    const error = await bench.writeFails(testSource(Buffer.from("new")), `${file}/inside.txt`);
    expect(error).toMatchObject({ retryable: false });
    await bench.expectFile(file, oldContent);
  });
}

async function putOld(bench: Bench): Promise<string> {
  const target = bench.name("kept.bin");
  await bench.harness.put(target, oldContent);
  return target;
}
