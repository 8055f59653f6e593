// Builds dist/: compiles src/ and puts what Node-RED looks for beside each node. With --if-stale it
// does so only when something that goes into dist/ has changed since the last build.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";

process.chdir(join(import.meta.dirname, ".."));
const inputs = ["src", "icons", "tsconfig.json", "tsconfig.build.json", "scripts/build.mjs"];

if (!process.argv.includes("--if-stale") || isStale()) build();

function isStale() {
  return !existsSync("dist") || Math.max(...inputs.map(newestChangeMs)) > statSync("dist").mtimeMs;
}

/** Folders count too: their time changes when a file in them is removed. */
function newestChangeMs(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestChangeMs(join(path, name))));
}

function build() {
  const startedAt = new Date();
  // Made aside and then renamed, so that nobody loads half a build, and a failed one leaves the old.
  const out = join(".cache", `build-${process.pid}`);
  try {
    const tsc = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", out];
    const { status } = spawnSync(process.execPath, tsc, { stdio: "inherit" });
    process.exitCode = status ?? 1;
    if (status !== 0) return;
    bundleLibrary(join(out, "lib"));
    for (const node of nodeFolders()) {
      copyBesideNode(node, join(out, "nodes", node));
      importOnFirstUse(join(out, "nodes", node, `${node}.js`));
    }
    utimesSync(out, startedAt, startedAt);
    rmSync("dist", { recursive: true, force: true });
    renameSync(out, "dist");
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** `shared` and the like have no editor half: they are no nodes. */
function nodeFolders() {
  return readdirSync("src/nodes").filter((name) => existsSync(join("src/nodes", name, `${name}.html`)));
}

/**
 * Makes one file of the library: looking up and reading its many files took most of the time that loading
 * it takes. What runs in a thread of its own stays a file of its own, beside it. Types stay as they are.
 */
function bundleLibrary(to) {
  for (const name of readdirSync(to, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".js")) rmSync(join(to, name));
  }
  buildSync({
    entryPoints: { index: "src/lib/index.ts", worker: "src/lib/store/sqlite/worker.ts" },
    outdir: to,
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    logLevel: "warning",
  });
}

function copyBesideNode(node, to) {
  const from = join("src/nodes", node);
  mkdirSync(to, { recursive: true });
  cpSync(join(from, `${node}.html`), join(to, `${node}.html`));
  cpSync(join(from, "locales"), join(to, "locales"), { recursive: true });
  const icon = join("icons", `${node}.svg`);
  if (existsSync(icon)) cpSync(icon, join(to, "icons", `${node}.svg`));
}

/**
 * Node-RED loads the file of every type when it starts, also of those that no flow uses. This has the file
 * load what it imports when it first uses something of it, which is when the first node is made. All of it
 * at once: nothing is left to be looked for on the disk while there are messages.
 * Of an import the compiler makes `const lib_1 = require("../../lib");`, and of its uses `lib_1.a`.
 */
function importOnFirstUse(file) {
  const imports = [];
  const code = readFileSync(file, "utf8").replace(
    /^const (\w+) = require\("(\.[^"]+)"\);$/gm,
    (_line, name, path) => {
      imports.push(`${name}: require("${path}")`);
      return `const ${name} = new Proxy({}, { get: (_, key) => loadImports().${name}[key] });`;
    },
  );
  const load = `function loadImports() {
    return loadImports.loaded ??= {
        ${imports.join(",\n        ")},
    };
}
`;
  writeFileSync(file, code + load);
}
