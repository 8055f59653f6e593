import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import type { TestProject } from "vitest/node";

const root = join(import.meta.dirname, "../..");
const folder = join(root, ".cache/threads");

/** Compiles what the library runs in threads of their own, for `compiled-threads.cjs`. */
export default function setup(project: TestProject): void {
  compile("src/lib/store/sqlite/worker.ts");
  project.onTestsRerun(async () => compile("src/lib/store/sqlite/worker.ts"));
}

function compile(entry: string): void {
  const { outputFiles } = buildSync({
    entryPoints: [entry],
    absWorkingDir: root,
    outdir: folder,
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    write: false,
  });
  mkdirSync(folder, { recursive: true });
  for (const { path, contents } of outputFiles) {
    // Renamed, as a test run inside another one may start a thread just now.
    writeFileSync(`${path}-${process.pid}`, contents);
    renameSync(`${path}-${process.pid}`, path);
  }
}
