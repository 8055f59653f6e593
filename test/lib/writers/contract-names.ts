import { expect } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import { testSource } from "../../support/sources";
import type { ContractCases } from "./contract-case";
import { acceptedNames, namesSharingAPrefix, refusedNames } from "./names";

export function nameCases(cases: ContractCases): void {
  for (const { title, target, stored = target } of acceptedNames) {
    cases.add(`name: ${title}`, async (bench) => {
      const bytes = Buffer.from(`content of ${target}`);
      const receipt = await bench.write(testSource(bytes), target);
      expect(receipt.outcome).toBe("delivered");
      await bench.expectFile(stored, bytes);
      expect(await bench.harness.list(), "the listing").toContain(stored);
    });
  }

  for (const { title, target } of refusedNames) {
    cases.add(`refused name: ${title}`, async (bench) => {
      const writer = await bench.createWriter();
      expect(() => writer.locate(target)).toThrow(DeliveryError);
      const source = testSource(Buffer.from("must not arrive"));
      const error = await bench.writeFails(source, target, { writer });
      expect(error.kind).toBe("invalid");
      expect(source.reads, "passes over the source").toBe(0);
    });
  }

  cases.add("ten names sharing a 150-character prefix, four at a time", async (bench) => {
    const waiting = [...namesSharingAPrefix];
    const worker = async () => {
      for (let leaf = waiting.shift(); leaf !== undefined; leaf = waiting.shift()) {
        await bench.write(testSource(Buffer.from(leaf), { chunkBytes: 20, pauseMs: 2 }), bench.name(leaf));
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    for (const leaf of namesSharingAPrefix) await bench.expectFile(bench.name(leaf), Buffer.from(leaf));
  });
}
