import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "../support/built-package";
import { readExamples } from "../support/examples";
import { installPackage } from "../support/installed-package";
import { type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { provideRuntime, runtimeNames } from "../support/runtimes";

const manifest = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));
const types = Object.keys(manifest["node-red"].nodes);
const examples = readExamples();

interface NodeSet {
  module: string;
  types: string[];
  enabled: boolean;
  err?: unknown;
}

// Examples read their servers' addresses from the environment; here is nothing to reach.
const variables = new Set(
  examples.flatMap(({ text }) => [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name ?? "")),
);
const env = Object.fromEntries([...variables].map((name) => [name, valueFor(name)]));

function valueFor(name: string): string {
  if (/PORT/.test(name)) return "9";
  if (/HOST_KEY/.test(name)) return `SHA256:${"A".repeat(43)}`;
  if (/FOLDER/.test(name)) return tmpdir();
  return /ENDPOINT/.test(name) ? "http://localhost:9" : "localhost";
}

describe.each(runtimeNames)("the packed package in %s", (name) => {
  let nodeRed: NodeRedProcess;
  let bareProblems: string[];
  let packageFolder: string;

  beforeAll(async () => {
    const runtime = await provideRuntime(name);
    ({ packageFolder } = await installPackage());
    const bare = await startNodeRed({ runtime, packageFolder: null, flows: [] });
    bareProblems = problemsOf(bare);
    await bare.stop();
    nodeRed = await startNodeRed({ runtime, packageFolder, flows: [], env });
  }, 300_000);

  afterAll(() => nodeRed?.stop());

  test("loads without a warning of its own", () => {
    expect(problemsOf(nodeRed)).toEqual(bareProblems);
  });

  test("registers every type", async () => {
    const sets = (await nodeRed.get<NodeSet[]>("/nodes")).filter(({ module }) => module === manifest.name);
    expect(sets.filter(({ err, enabled }) => err !== undefined || !enabled)).toEqual([]);
    expect(sets.flatMap((set) => set.types).sort()).toEqual([...types].sort());
  });

  test("loads nothing but the nodes' files for that", async () => {
    expect(await filesOfPackage()).toEqual(Object.values<string>(manifest["node-red"].nodes).sort());
  });

  test("serves the editor what it asks for", async () => {
    const editor = await fetch(`${nodeRed.url}/nodes`, { headers: { accept: "text/html" } });
    const html = await editor.text();
    for (const type of types) expect(html).toContain(`registerType("${type}"`);
    const resources = [
      ...new Set([...html.matchAll(/src="(resources\/@data-distribution[^"]+)"/g)].map(([, url]) => url)),
    ];
    expect(resources.length).toBeGreaterThan(0);
    for (const url of resources) expect((await fetch(`${nodeRed.url}/${url}`)).status, url).toBe(200);
    const texts = await nodeRed.get<Record<string, object>>("/nodes/messages?lng=en-US");
    for (const type of types) expect(Object.keys(texts[`${manifest.name}/${type}`] ?? {})).not.toEqual([]);
    const icons = await nodeRed.get<Record<string, string[]>>("/icons");
    expect(icons[manifest.name]?.length).toBeGreaterThan(0);
  });

  test("lists the examples", async () => {
    const listed = await nodeRed.get<{ fn: string }[]>(`/library/examples/flows/${manifest.name}`);
    expect(listed.map(({ fn }) => fn).sort()).toEqual(examples.map(({ name: title }) => title).sort());
  });

  test.each(examples)("deploys the example $name", async ({ flow }) => {
    const before = nodeRed.log.length;
    await nodeRed.deploy(flow);
    const errors = nodeRed.log.slice(before).filter(({ level }) => level <= 20);
    expect(errors).toEqual([]);
    expect(await filesOfPackage()).toContain("dist/lib/index.js");
  });

  /** Those in memory, sorted. */
  async function filesOfPackage(): Promise<string[]> {
    const files = (await nodeRed.loadedFiles()).map((file) => path.relative(packageFolder, file));
    return files.filter((file) => /^dist\/.*\.js$/.test(file)).sort();
  }
});

/** Warnings and errors, of Node-RED and of Node.js. */
function problemsOf(nodeRed: NodeRedProcess): string[] {
  const logged = nodeRed.log.filter(({ level }) => level <= 30).map(({ text }) => text);
  const printed = nodeRed
    .output()
    .split("\n")
    .filter((line) => /Warning:|\bERR_|Error:/.test(line));
  return [...logged, ...printed].map((line) => line.replace(/^\(node:\d+\)/, ""));
}
