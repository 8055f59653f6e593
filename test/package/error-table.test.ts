import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { errorTable, errorTableFile } from "../../scripts/error-table";
import { symptomsByWriter } from "../faults/symptoms";

test("the table of errors is that of the tests: `npx tsx scripts/error-table.ts` makes it anew", () => {
  // The formatter aligns the columns.
  const unaligned = (text: string) => text.replace(/ +/g, " ").replace(/-{3,}/g, "---");
  expect(unaligned(readFileSync(errorTableFile, "utf8")) === unaligned(errorTable())).toBe(true);
  const lines = errorTable().match(/^\| (?!what|---)/gm) ?? [];
  expect(lines).toHaveLength(symptomsByWriter.flatMap(({ symptoms }) => symptoms).length);
});
