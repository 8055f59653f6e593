// `npm test`: installs what is missing, checks, builds and runs every suite, then says what was not run.
// `npm test -- <vitest arguments>` runs only what the arguments name, without the checks.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { installIfStale, packageRoot, run, runOrExit } from "./install.mjs";

const args = process.argv.slice(2);
const resultFile = join(packageRoot, ".cache/test-results.json");
const notRunFile = join(packageRoot, ".cache/not-run.txt");

installIfStale();
if (args.length === 0) {
  runOrExit("npm", ["run", "check"]);
  runOrExit(process.execPath, ["scripts/build.mjs"]);
}
mkdirSync(join(packageRoot, ".cache"), { recursive: true });
rmSync(resultFile, { force: true });
writeFileSync(notRunFile, "");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${resultFile}`];
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...reporters, ...args];
const code = run(process.execPath, vitest, { NOT_RUN_LIST: notRunFile });
process.exit(report(JSON.parse(readFileSync(resultFile, "utf8"))));

function report({ testResults }) {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (...statuses) => tests.filter(({ status }) => statuses.includes(status)).length;
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) => status === "failed" && !assertionResults.some(isFailed),
  ).length;
  const failed = count("failed") + brokenFiles;
  const notRun = listNotRun(testResults);
  if (notRun.length > 0) console.error(`\n${"!".repeat(78)}\n${notRun.join("\n")}\n${"!".repeat(78)}`);
  console.log(`\n${count("passed")} passed, ${failed} failed`);
  if (code !== 0 || failed > 0) return code || 1;
  // What was not tried could not be: no machine of ours has what it needs.
  return process.env.CI && notRun.some((line) => line.startsWith("NOT RUN")) ? 1 : 0;
}

function isFailed({ status }) {
  return status === "failed";
}

function listNotRun(testResults) {
  const said = readFileSync(notRunFile, "utf8").split("\n").filter(Boolean);
  // A filter leaves out what it was meant to leave out.
  if (args.length > 0) return [...new Set(said)];
  const files = testResults.map(({ name, assertionResults }) => ({
    path: relative(packageRoot, name),
    skipped: assertionResults.filter(({ status }) => status !== "passed" && status !== "failed").length,
  }));
  const skipped = files
    .filter((file) => file.skipped > 0 && !said.some((line) => line.includes(file.path)))
    .map((file) => `NOT RUN: ${file.path}: ${file.skipped} tests were skipped`);
  const empty = readdirSync(join(packageRoot, "test"))
    .filter((folder) => folder !== "support")
    .filter((folder) => !files.some(({ path }) => path.startsWith(join("test", folder, "/"))))
    .map((folder) => `NOT RUN: test/${folder}: it has no tests`);
  return [...new Set([...said, ...skipped, ...empty])];
}
