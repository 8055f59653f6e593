import { expect } from "vitest";
import type { ConflictPolicy } from "../../../src/lib/writers/target-name";
import { sha256Of, testSource } from "../../support/sources";
import type { ContractCases } from "./contract-case";

interface ConflictCase {
  title: string;
  conflict: ConflictPolicy;
  target: string;
  /** Files there beforehand: name → content. */
  before: Record<string, string>;
  content: string;
  /** `refused` throws `rejected`; otherwise the receipt's outcome. */
  outcome: "delivered" | "skipped" | "refused";
  /** Where the receipt says the content is. Default: `target`. */
  location?: string;
  after: Record<string, string>;
}

const conflicts: readonly ConflictCase[] = [
  {
    title: "replace: an existing file",
    conflict: "replace",
    target: "a.txt",
    before: { "a.txt": "old" },
    content: "brand new",
    outcome: "delivered",
    after: { "a.txt": "brand new" },
  },
  {
    title: "fail: a free name",
    conflict: "fail",
    target: "a.txt",
    before: {},
    content: "new",
    outcome: "delivered",
    after: { "a.txt": "new" },
  },
  {
    title: "fail: an existing file",
    conflict: "fail",
    target: "a.txt",
    before: { "a.txt": "old" },
    content: "new",
    outcome: "refused",
    after: { "a.txt": "old" },
  },
  {
    title: "fail: even an identical file",
    conflict: "fail",
    target: "a.txt",
    before: { "a.txt": "same" },
    content: "same",
    outcome: "refused",
    after: { "a.txt": "same" },
  },
  {
    title: "skip-identical: a free name",
    conflict: "skip-identical",
    target: "a.txt",
    before: {},
    content: "new",
    outcome: "delivered",
    after: { "a.txt": "new" },
  },
  {
    title: "skip-identical: the same content",
    conflict: "skip-identical",
    target: "a.txt",
    before: { "a.txt": "same" },
    content: "same",
    outcome: "skipped",
    after: { "a.txt": "same" },
  },
  {
    title: "skip-identical: other content of the same length",
    conflict: "skip-identical",
    target: "a.txt",
    before: { "a.txt": "1234" },
    content: "5678",
    outcome: "delivered",
    after: { "a.txt": "5678" },
  },
  {
    title: "skip-identical: other content",
    conflict: "skip-identical",
    target: "a.txt",
    before: { "a.txt": "old" },
    content: "brand new",
    outcome: "delivered",
    after: { "a.txt": "brand new" },
  },
  {
    title: "keep-both: a free name",
    conflict: "keep-both",
    target: "a.txt",
    before: {},
    content: "new",
    outcome: "delivered",
    after: { "a.txt": "new" },
  },
  {
    title: "keep-both: an existing file",
    conflict: "keep-both",
    target: "a.txt",
    before: { "a.txt": "old" },
    content: "new",
    outcome: "delivered",
    location: "a-1.txt",
    after: { "a.txt": "old", "a-1.txt": "new" },
  },
  {
    title: "keep-both: the first number is taken too",
    conflict: "keep-both",
    target: "a.b/archive.tar.gz",
    before: { "a.b/archive.tar.gz": "old", "a.b/archive.tar-1.gz": "older" },
    content: "new",
    outcome: "delivered",
    location: "a.b/archive.tar-2.gz",
    after: { "a.b/archive.tar.gz": "old", "a.b/archive.tar-1.gz": "older", "a.b/archive.tar-2.gz": "new" },
  },
  {
    title: "keep-both: a name without extension",
    conflict: "keep-both",
    target: "README",
    before: { README: "old" },
    content: "new",
    outcome: "delivered",
    location: "README-1",
    after: { README: "old", "README-1": "new" },
  },
];

export function conflictCases(cases: ContractCases): void {
  for (const conflict of conflicts) {
    cases.add(`conflict: ${conflict.title}`, async (bench) => {
      const { target, content, outcome, location = target } = conflict;
      for (const [leaf, text] of Object.entries(conflict.before)) {
        await bench.harness.put(bench.name(leaf), Buffer.from(text));
      }
      const writer = await bench.createWriter({ conflict: conflict.conflict });
      const source = testSource(Buffer.from(content));
      if (outcome === "refused") {
        const error = await bench.writeFails(source, bench.name(target), { writer });
        expect(error.kind).toBe("rejected");
      } else {
        const receipt = await bench.write(source, bench.name(target), { writer });
        expect(receipt).toMatchObject({
          outcome,
          location: writer.locate(bench.name(location)),
          bytes: content.length,
          sha256: sha256Of(Buffer.from(content)),
        });
      }
      for (const [leaf, text] of Object.entries(conflict.after)) {
        await bench.expectFile(bench.name(leaf), Buffer.from(text));
      }
    });
  }
}
