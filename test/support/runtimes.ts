import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "./built-package";

const run = promisify(execFile);

/** A Node-RED and the Node.js to run it with. */
export interface Runtime {
  readonly name: RuntimeName;
  /** The `node` executable. */
  readonly nodePath: string;
  /** The folder of the package `node-red`. */
  readonly nodeRedFolder: string;
}

export type RuntimeName = "node-red-4" | "node-red-5";
export const runtimeNames: readonly RuntimeName[] = ["node-red-4", "node-red-5"];

const nodeRed5 = "5.0.7";
/** Node-RED 5 refuses Node.js 20. */
const node24 = "24.21.0";

/**
 * Node-RED 4.1 is the development dependency, on the Node.js that runs the tests. Node-RED 5 and a
 * Node.js 24 are installed from npm into `.cache/runtimes` on first use, which takes about a minute.
 */
export async function provideRuntime(name: RuntimeName): Promise<Runtime> {
  if (name === "node-red-4") {
    return { name, nodePath: process.execPath, nodeRedFolder: join(packageRoot, "node_modules/node-red") };
  }
  const platform = process.platform === "win32" ? "win" : process.platform;
  const nodePackage = `node-${platform}-${process.arch}`;
  const folder = join(packageRoot, ".cache/runtimes", `node-red-${nodeRed5}-node-${node24}`);
  if (!existsSync(folder)) await install(folder, { "node-red": nodeRed5, [nodePackage]: node24 });
  const modules = join(folder, "node_modules");
  return {
    name,
    nodePath: join(modules, nodePackage, "bin", process.platform === "win32" ? "node.exe" : "node"),
    nodeRedFolder: join(modules, "node-red"),
  };
}

/** Installed aside and then renamed, so that an interrupted install is not taken for a whole one. */
async function install(folder: string, dependencies: Record<string, string>): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const aside = await mkdtemp(`${folder}-`);
  try {
    await writeFile(join(aside, "package.json"), JSON.stringify({ private: true, dependencies }));
    await run("npm", ["install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: aside,
    });
    await rename(aside, folder).catch((error: NodeJS.ErrnoException) => {
      // Another test process was faster.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
