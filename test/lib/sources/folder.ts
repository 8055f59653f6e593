import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import { createSpool, type DataSource, DeliveryError, type ReadOptions, type Spool } from "../../../src/lib";

/** A folder of this test file's own, removed when its tests are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "source-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function temporarySpool(): Spool & { folder: string } {
  const folder = path.join(temporaryFolder(), "spool");
  return Object.assign(createSpool({ folder }), { folder });
}

export async function readAll(source: DataSource, options?: ReadOptions): Promise<Buffer> {
  const reading = await source.read(options);
  const chunks: Uint8Array[] = [];
  for await (const chunk of reading.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The error of something that must fail, and must fail with a `DeliveryError`. */
export async function failureOf(work: Promise<unknown>): Promise<DeliveryError> {
  const error = await work.then(
    (value) => new Error(`It did not fail but gave ${JSON.stringify(value)}.`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof DeliveryError)) throw error;
  return error;
}

export function until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const giveUpAt = Date.now() + timeoutMs;
  return new Promise((resolve, reject) => {
    const look = () => {
      if (condition()) resolve();
      else if (Date.now() > giveUpAt) reject(new Error("It did not come to that in time."));
      else setTimeout(look, 5);
    };
    look();
  });
}

/** The administrator may read everything. */
export async function withoutRootRights<T>(work: () => Promise<T>): Promise<T> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
