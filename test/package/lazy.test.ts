import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { ensureBuilt, packageRoot } from "../support/built-package";

const run = promisify(execFile);
const manifest = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));

/** The packages in node_modules that are in memory once these files are, in a process of its own. */
async function loadedPackages(files: string[], more = ""): Promise<string[]> {
  const script = `
    for (const file of ${JSON.stringify(files)}) require(file);
    (async () => { ${more} })().then(() => {
      const names = Object.keys(require.cache).map((file) =>
        /node_modules\\/((?:@[^/]+\\/)?[^/]+)(?!.*node_modules)/.exec(file)?.[1]);
      process.stdout.write(JSON.stringify([...new Set(names.filter(Boolean))]));
    });`;
  const { stdout } = await run(process.execPath, ["-e", script], { cwd: packageRoot });
  return JSON.parse(stdout);
}

describe("client SDKs are loaded on first use, never with the palette", () => {
  beforeAll(ensureBuilt);

  const nodes = Object.values<string>(manifest["node-red"].nodes).map((file) => `./${file}`);

  test.each([
    ["the library", ["./dist/lib/index.js"]],
    ["all nodes", nodes],
  ])("%s", async (_what, files) => {
    // What is left is small, and used by every template.
    expect(await loadedPackages(files)).toEqual(["mustache"]);
  });

  test("the check would see one that is loaded", async () => {
    const loaded = await loadedPackages(["./dist/lib/index.js"], `await import("basic-ftp");`);
    expect(loaded).toContain("basic-ftp");
  });
});
