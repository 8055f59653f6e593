import { execFile } from "node:child_process";
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export const packageRoot = join(__dirname, "../..");

let build: Promise<unknown> | undefined;

/** Brings `dist` up to date: for everything that looks at it. @throws Error with what the compiler says */
export async function ensureBuilt(): Promise<void> {
  build ??= run(process.execPath, ["scripts/build.mjs", "--if-stale"], { cwd: packageRoot }).catch(
    (error: { stdout?: string }) => {
      throw new Error(`The package does not build.\n${error.stdout ?? ""}`, { cause: error });
    },
  );
  await build;
}

export interface PackedFile {
  path: string;
  size: number;
}

export interface Tarball {
  path: string;
  files: PackedFile[];
  /** In bytes. */
  size: number;
}

/** Packs the built package as `npm publish` would, into `folder`. */
export async function packTarball(folder: string): Promise<Tarball> {
  await ensureBuilt();
  await mkdir(folder, { recursive: true });
  const destination = await mkdtemp(join(folder, "pack-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", destination], {
    cwd: packageRoot,
  });
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: PackedFile[]; size: number }];
  return { path: join(destination, packed.filename), files: packed.files, size: packed.size };
}
