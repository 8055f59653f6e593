import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { leaseLost } from "../../../src/lib/delivery/settlement";
import type { Receipt } from "../../../src/lib/types";
import { type ConflictPolicy, conflictPolicies } from "../../../src/lib/writers/target-name";
import { type SourceBehaviour, sha256Of, type TestSource, testSource } from "../../support/sources";
import type { Bench, ContractCases, WriteOptions } from "./contract-case";

/**
 * What a writer does that begins where another process was killed: it knows only that there was an attempt.
 */

const content = Buffer.from("the new content");
const other = Buffer.from("quite a stranger").subarray(0, content.length);

export function repeatCases(cases: ContractCases): void {
  for (const conflict of conflictPolicies) ownFileCases(cases, conflict);
  strangerCases(cases);
  rememberedCases(cases);
  takenOverCases(cases);
}

/** An attempt that others have begun, by a writer that remembers nothing. */
async function repeat(
  bench: Bench,
  conflict: ConflictPolicy,
  options: WriteOptions = {},
  behaviour: SourceBehaviour = {},
): Promise<{ receipt: Receipt; source: TestSource }> {
  const source = testSource(content, behaviour);
  const writer = options.writer ?? (await bench.createWriter({ conflict }));
  const receipt = await bench.write(source, bench.name("a.txt"), { begun: 2, ...options, writer });
  return { receipt, source };
}

function ownFileCases(cases: ContractCases, conflict: ConflictPolicy): void {
  cases.add(`repeat, ${conflict}: our own file is there: nothing is sent`, async (bench) => {
    const target = bench.name("a.txt");
    await bench.harness.put(target, content);
    const { receipt, source } = await repeat(bench, conflict);
    const { locate } = await bench.createWriter();
    expect(receipt).toMatchObject({
      outcome: "delivered",
      location: locate(target),
      bytes: content.length,
      sha256: sha256Of(content),
      notes: [expect.stringMatching(/^An earlier attempt had delivered it/)],
    });
    expect(["checksum", "read-back"]).toContain(receipt.verified);
    expect(source.reads).toBe(0);
    await bench.expectFile(target, content);
  });

  cases.add(`repeat, ${conflict}: our own file is there, its digest unknown`, async (bench) => {
    await bench.harness.put(bench.name("a.txt"), content);
    const { receipt } = await repeat(bench, conflict, {}, { unknownLength: true });
    expect(receipt).toMatchObject({ outcome: "delivered", sha256: sha256Of(content) });
    expect(receipt.notes).toEqual([expect.stringMatching(/earlier attempt/)]);
    await bench.expectFile(bench.name("a.txt"), content);
  });

  cases.add(`repeat, ${conflict}: no file is there: delivered as usual`, async (bench) => {
    const { receipt } = await repeat(bench, conflict);
    expect(receipt).toMatchObject({ outcome: "delivered", notes: [] });
    await bench.expectFile(bench.name("a.txt"), content);
  });
}

function strangerCases(cases: ContractCases): void {
  for (const [title, stranger] of [
    ["as long", other],
    ["of another length", Buffer.from("short")],
  ] as const) {
    cases.add(`repeat, fail: a stranger's file ${title} stays`, async (bench) => {
      const target = bench.name("a.txt");
      await bench.harness.put(target, stranger);
      const writer = await bench.createWriter({ conflict: "fail" });
      const options = { writer, begun: 2 };
      const error = await bench.writeFails(testSource(content), target, options);
      expect(error).toMatchObject({ kind: "rejected", code: "EEXIST" });
      await bench.expectFile(target, stranger);
    });

    cases.add(`repeat, keep-both: a stranger's file ${title} stays, ours gets a number`, async (bench) => {
      await bench.harness.put(bench.name("a.txt"), stranger);
      const { receipt } = await repeat(bench, "keep-both");
      expect(receipt.location).toMatch(/a-1\.txt$/);
      await bench.expectFile(bench.name("a.txt"), stranger);
      await bench.expectFile(bench.name("a-1.txt"), content);
    });

    for (const conflict of ["replace", "skip-identical"] as const) {
      cases.add(`repeat, ${conflict}: a stranger's file ${title} is replaced`, async (bench) => {
        await bench.harness.put(bench.name("a.txt"), stranger);
        expect((await repeat(bench, conflict)).receipt.outcome).toBe("delivered");
        await bench.expectFile(bench.name("a.txt"), content);
      });
    }
  }

  cases.add("repeat, keep-both: our own file has a number already", async (bench) => {
    for (const leaf of ["a.txt", "a-1.txt"]) await bench.harness.put(bench.name(leaf), other);
    await bench.harness.put(bench.name("a-2.txt"), content);
    const { receipt, source } = await repeat(bench, "keep-both");
    expect(receipt.location).toMatch(/a-2\.txt$/);
    expect(source.reads).toBe(0);
    for (const leaf of ["a.txt", "a-1.txt"]) await bench.expectFile(bench.name(leaf), other);
    await bench.expectFile(bench.name("a-2.txt"), content);
  });
}

function rememberedCases(cases: ContractCases): void {
  cases.add("repeat, fail: another delivery of the same content is none", async (bench) => {
    const target = bench.name("a.txt");
    const writer = await bench.createWriter({ conflict: "fail" });
    await bench.write(testSource(content), target, { writer });
    const error = await bench.writeFails(testSource(content), target, { writer });
    expect(error).toMatchObject({ kind: "rejected", code: "EEXIST" });
    await bench.expectFile(target, content);
  });

  cases.add("repeat, fail: the writer saw its attempt fail: an identical file is not ours", async (bench) => {
    const target = bench.name("a.txt");
    const failed = await failOnce(bench, target);
    await bench.harness.put(target, content);
    const error = await bench.writeFails(testSource(content), target, { ...failed, begun: 2 });
    expect(error).toMatchObject({ kind: "rejected", code: "EEXIST" });
    await bench.expectFile(target, content);
  });

  cases.add(
    "repeat, fail: the writer saw its attempt fail, and another process has begun one",
    async (bench) => {
      const target = bench.name("a.txt");
      const failed = await failOnce(bench, target);
      // That one was killed before it could tell.
      await bench.harness.put(target, content);
      const { receipt } = await repeat(bench, "fail", { ...failed, begun: 3 });
      expect(receipt.notes).toEqual([expect.stringMatching(/earlier attempt/)]);
      await bench.expectFile(target, content);
    },
  );

  cases.add("repeat, fail: an attempt that came to nothing makes the next no wiser", async (bench) => {
    const target = bench.name("a.txt");
    const writer = await bench.createWriter({ conflict: "fail" });
    const deliveryId = randomUUID();
    await bench.harness.put(target, content);
    const options = { writer, deliveryId, begun: 2 };
    const error = await bench.writeFails(testSource(content), target, {
      ...options,
      signal: AbortSignal.abort(),
    });
    expect(error.kind).toBe("cancelled");
    const { receipt } = await repeat(bench, "fail", options);
    expect(receipt.notes).toEqual([expect.stringMatching(/earlier attempt/)]);
    await bench.expectFile(target, content);
  });
}

/** The first attempt of a delivery, of which its writer knows that it failed half-way. */
async function failOnce(bench: Bench, target: string) {
  const options = { writer: await bench.createWriter({ conflict: "fail" }), deliveryId: randomUUID() };
  const source = testSource(content, { failAfterBytes: 5 });
  await bench.writeFails(source, target, { ...options, begun: 1 });
  return options;
}

function takenOverCases(cases: ContractCases): void {
  cases.add("taken over: what stops leaves the upload of the one that goes on alone", async (bench) => {
    const target = bench.name("a.bin");
    const bytes = randomBytes(100_000);
    const deliveryId = randomUUID();
    const begin = async (begun: number, behaviour: SourceBehaviour) => {
      const writer = await bench.createWriter();
      const controller = new AbortController();
      const { signal } = controller;
      let sent = () => {};
      const sending = new Promise<void>((resolve) => {
        sent = resolve;
      });
      const options = { writer, deliveryId, begun, signal, onProgress: () => sent() };
      const result = bench.write(testSource(bytes, behaviour), target, options);
      // A server that locks files lets the second wait for the first.
      await Promise.race([sending, result, sleep(1_000)]);
      return { controller, result };
    };
    const first = await begin(1, { chunkBytes: 5_000, stallAfterBytes: 50_000 });
    const second = await begin(2, { chunkBytes: 5_000, pauseMs: 50 });
    first.controller.abort(leaseLost);
    await expect(first.result).rejects.toMatchObject({ kind: "cancelled" });
    expect(await second.result).toMatchObject({ outcome: "delivered", sha256: sha256Of(bytes) });
    await bench.expectFile(target, bytes);
  });
}
