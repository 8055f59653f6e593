import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { packageRoot, packTarball } from "./built-package";

const run = promisify(execFile);
const cache = join(packageRoot, ".cache/installed");
const keptMs = 60 * 60_000;

export interface InstalledPackage {
  /** A project that has nothing but the package and its dependencies. */
  readonly folder: string;
  /** Where the package is in it. */
  readonly packageFolder: string;
}

/** Installs the packed package with npm, as its users do; again only when the tarball has changed. */
export async function installPackage(): Promise<InstalledPackage> {
  await mkdir(cache, { recursive: true });
  const aside = await mkdtemp(join(cache, "new-"));
  try {
    const tarball = await packTarball(aside);
    const digest = createHash("sha256")
      .update(await readFile(tarball.path))
      .digest("hex");
    const folder = join(cache, digest.slice(0, 16));
    if (!existsSync(folder)) {
      await removeOld();
      await writeFile(join(aside, "package.json"), JSON.stringify({ name: "consumer", private: true }));
      await run("npm", ["install", tarball.path, "--prefer-offline", "--no-audit", "--no-fund"], {
        cwd: aside,
      });
      await rename(aside, folder).catch((error: NodeJS.ErrnoException) => {
        // Another test process was faster.
        if (!existsSync(folder)) throw error;
      });
    }
    return { folder, packageFolder: join(folder, "node_modules/@data-distribution/node-red") };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function removeOld(): Promise<void> {
  for (const name of await readdir(cache)) {
    const folder = join(cache, name);
    if (Date.now() - (await stat(folder)).mtimeMs > keptMs)
      await rm(folder, { recursive: true, force: true });
  }
}
