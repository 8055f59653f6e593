import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { packageRoot } from "../../support/built-package";
import { provideRuntime } from "../../support/runtimes";

const run = promisify(execFile);
const suites = ["sqlite.contract", "sqlite-claims-faults"];

// Where the tests run, SQLite is libsql; from this version on it is Node.js' own.
test("with the SQLite of Node.js 24 everything is as with libsql", { timeout: 240_000 }, async () => {
  const { nodePath } = await provideRuntime("node-red-5");
  const { stdout: version } = await run(nodePath, ["-p", "process.versions.sqlite"]);
  expect(version.trim().localeCompare("3.51.3", "en", { numeric: true })).toBeGreaterThanOrEqual(0);
  const files = suites.map((name) => `test/lib/store/${name}.test.ts`);
  const vitest = join(packageRoot, "node_modules/vitest/vitest.mjs");
  const parameters = ["run", "--maxWorkers=1", "--reporter=json", ...files];
  const { stdout } = await run(nodePath, [vitest, ...parameters], {
    cwd: packageRoot,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: { stdout: string }) => error);
  const { success, numTotalTests, testResults } = JSON.parse(stdout.slice(stdout.indexOf("{")));
  const failed = testResults.flatMap(({ assertionResults }: { assertionResults: Assertion[] }) =>
    assertionResults.filter(({ status }) => status !== "passed"),
  );
  expect(failed).toEqual([]);
  expect(success).toBe(true);
  expect(testResults).toHaveLength(suites.length);
  expect(numTotalTests).toBeGreaterThan(70);
});

interface Assertion {
  fullName: string;
  status: string;
  failureMessages: string[];
}
