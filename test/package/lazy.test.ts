import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { ensureBuilt, packageRoot } from "../support/built-package";

const run = promisify(execFile);
const manifest = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));
const nodes = Object.values<string>(manifest["node-red"].nodes);

/** As much of Node-RED as registering takes, and making a node of each type. */
const registering = `
  const types = new Map();
  const RED = {
    nodes: { registerType: (type, construct) => types.set(type, construct), createNode() {} },
    httpAdmin: { get() {}, post() {} },
    auth: { needsPermission: () => () => {} },
    settings: {},
    log: { warn() {} },
    events: { on() {}, off() {}, once() {}, removeListener() {} },
  };
  for (const file of ${JSON.stringify(nodes)}) require("./" + file).default(RED);
`;
const makingOne = `types.get("delivery-data-source").call({ on() {}, status() {} }, { id: "1", kind: "text", text: "a" });`;

/** The files that are in memory once the code has run in a process of its own, from the package's folder. */
async function filesLoadedBy(code: string): Promise<string[]> {
  const script = `(async () => { ${code} })().then(() =>
    process.stdout.write(JSON.stringify(Object.keys(require.cache))));`;
  const { stdout } = await run(process.execPath, ["-e", script], { cwd: packageRoot });
  return JSON.parse(stdout).map((file: string) => path.relative(packageRoot, file));
}

beforeAll(ensureBuilt);

describe("a node's file loads nothing else before the first node of its type is made", () => {
  test("registering all nodes loads their files and no more", async () => {
    expect((await filesLoadedBy(registering)).sort()).toEqual([...nodes].sort());
  });

  test("making one loads all that its file imports, so that no message waits for the disk", async () => {
    const loaded = await filesLoadedBy(registering + makingOne);
    const imported = ["dist/lib/index.js", "dist/nodes/shared/metadata.js"];
    expect(loaded).toEqual(expect.arrayContaining([...imported, "dist/nodes/data-source/user-function.js"]));
    expect(
      loaded.filter((file) => /nodes\/(ftp|s3|retry|store)/.test(file) && !nodes.includes(file)),
    ).toEqual([]);
  });
});

describe("client SDKs are loaded on first use", () => {
  test.each([
    ["the library", `require("./dist/lib/index.js");`],
    ["a node", registering + makingOne],
  ])("%s loads none", async (_what, code) => {
    // What is left is small, and used by every template.
    expect(packagesOf(await filesLoadedBy(code))).toEqual(["mustache"]);
  });

  test("the check would see one that is loaded", async () => {
    const code = `require("./dist/lib/index.js"); await import("basic-ftp");`;
    expect(packagesOf(await filesLoadedBy(code))).toContain("basic-ftp");
  });
});

function packagesOf(files: string[]): string[] {
  const names = files.map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(file)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))];
}
