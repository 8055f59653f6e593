import { createHash, randomUUID } from "node:crypto";
import { expect } from "vitest";
import { conflictPolicies } from "../../../src/lib/writers/target-name";
import { testSource } from "../../support/sources";
import type { Bench, ContractCases } from "./contract-case";

/** Checksum files and done files: they come after the content, and a repeat completes them. */

const content = Buffer.from("the new content");
const done = { doneFile: "a.txt.done" };
const nothing = Buffer.alloc(0);

type Algorithm = "sha256" | "md5";

function line(algorithm: Algorithm, leaf: string): Buffer {
  return Buffer.from(`${createHash(algorithm).update(content).digest("hex")}  ${leaf}\n`);
}

async function expectAll(bench: Bench, algorithm: Algorithm, leaf = "a.txt"): Promise<void> {
  await bench.expectFile(bench.name(leaf), content);
  await bench.expectFile(bench.name(`${leaf}.${algorithm}`), line(algorithm, leaf));
  await bench.expectFile(bench.name(`${leaf}.done`), nothing);
}

export function companionCases(cases: ContractCases): void {
  for (const algorithm of ["sha256", "md5"] as const) {
    for (const unknownLength of [false, true]) {
      const known = unknownLength ? ", its size unknown" : "";
      cases.add(`companions, ${algorithm}: beside the content${known}, which is read once`, async (bench) => {
        const writer = await bench.createWriter({ checksumFile: algorithm });
        // Where the folder has to be made first, the content is opened twice.
        await bench.harness.put(bench.name("b.txt"), nothing);
        const source = testSource(content, { unknownLength });
        await bench.write(source, bench.name("a.txt"), { writer, attributes: done });
        expect(source.reads).toBe(1);
        await expectAll(bench, algorithm);
        await bench.expectFile(bench.name("b.txt"), nothing);
      });
    }
    cases.add(`companions, ${algorithm}: keep-both: each with the number`, async (bench) => {
      const writer = await bench.createWriter({ checksumFile: algorithm, conflict: "keep-both" });
      for (const leaf of ["a.txt", "a-1.txt"]) {
        await bench.write(testSource(content), bench.name("a.txt"), { writer, attributes: done });
        await expectAll(bench, algorithm, leaf);
      }
    });
  }
  oldCases(cases);
  killedCases(cases);
  refusedCases(cases);
}

function oldCases(cases: ContractCases): void {
  cases.add("companions: old ones are replaced, by longer and shorter ones", async (bench) => {
    await bench.harness.put(bench.name("a.txt.sha256"), Buffer.from("old"));
    await bench.harness.put(bench.name("a.txt.done"), Buffer.from("old"));
    const writer = await bench.createWriter({ checksumFile: "sha256" });
    const receipt = await bench.write(testSource(content), bench.name("a.txt"), { writer, attributes: done });
    expect(receipt.notes).toEqual([]);
    await expectAll(bench, "sha256");
  });

  cases.add(
    "companions: identical content of somebody else is skipped without a sign of ours",
    async (bench) => {
      await bench.harness.put(bench.name("a.txt"), content);
      const writer = await bench.createWriter({ checksumFile: "md5", conflict: "skip-identical" });
      const receipt = await bench.write(testSource(content), bench.name("a.txt"), {
        writer,
        attributes: done,
      });
      expect(receipt.outcome).toBe("skipped");
      await bench.expectFile(bench.name("a.txt"), content);
    },
  );
}

function killedCases(cases: ContractCases): void {
  for (const conflict of conflictPolicies) {
    cases.add(
      `companions, ${conflict}: killed right after the content: the repeat adds them`,
      async (bench) => {
        await bench.harness.put(bench.name("a.txt"), content);
        const writer = await bench.createWriter({ checksumFile: "md5", conflict });
        const options = { writer, attributes: done, begun: 2 };
        const receipt = await bench.write(testSource(content), bench.name("a.txt"), options);
        expect(receipt.notes).toEqual([expect.stringMatching(/earlier attempt/)]);
        await expectAll(bench, "md5");
      },
    );

    cases.add(`companions, ${conflict}: killed before the done file: the repeat adds it`, async (bench) => {
      await bench.harness.put(bench.name("a.txt"), content);
      await bench.harness.put(bench.name("a.txt.sha256"), line("sha256", "a.txt"));
      const writer = await bench.createWriter({ checksumFile: "sha256", conflict });
      const source = testSource(content);
      const options = { writer, attributes: done, begun: 2 };
      await bench.write(source, bench.name("a.txt"), options);
      expect(source.reads).toBe(0);
      await expectAll(bench, "sha256");
    });
  }
}

function refusedCases(cases: ContractCases): void {
  for (const doneFile of ["in/a.done", "..", "a\r\nDELE b", "a.txt", "/a.done"]) {
    cases.add(
      `companions: the done file ${JSON.stringify(doneFile)} is refused, nothing sent`,
      async (bench) => {
        const source = testSource(content);
        const error = await bench.writeFails(source, bench.name("a.txt"), { attributes: { doneFile } });
        expect(error.kind).toBe("invalid");
        expect(source.reads).toBe(0);
      },
    );
  }

  cases.add("companions: none when the content does not arrive", async (bench) => {
    const writer = await bench.createWriter({ checksumFile: "md5" });
    const source = testSource(content, { failAfterBytes: 5 });
    await bench.writeFails(source, bench.name("a.txt"), { writer, attributes: done });
  });

  cases.add("companions: a folder has the done file's name: both are told, the rest stays", async (bench) => {
    const inside = bench.name("a.txt.done/inside.txt");
    await bench.harness.put(inside, content);
    const writer = await bench.createWriter({ checksumFile: "sha256", conflict: "fail" });
    const options = { writer, attributes: done, deliveryId: randomUUID() };
    // What is in its place is not sent again.
    for (const [begun, reads] of [
      [1, 1],
      [2, 0],
    ] as const) {
      const source = testSource(content);
      const error = await bench.writeFails(source, bench.name("a.txt"), { ...options, begun });
      expect(error.message).toMatch(/a\.txt is in its place, but a\.txt\.done beside it is not\. /);
      expect(source.reads).toBe(reads);
    }
    await bench.expectFile(inside, content);
    await bench.expectFile(bench.name("a.txt"), content);
    await bench.expectFile(bench.name("a.txt.sha256"), line("sha256", "a.txt"));
  });
}
