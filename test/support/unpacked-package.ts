import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { requireThat } from "./required";

/** Kept from run to run: fetching takes seconds, and needs the network. */
const cache = join(tmpdir(), `unpacked-packages-${userInfo().uid}`);

/** A package of Debian that is unpacked, not installed. */
export interface UnpackedPackage {
  readonly folder: string;
  /** Lets its programs find the libraries that came with it. */
  readonly env: NodeJS.ProcessEnv;
}

/** Whether they can be had here; if not, it is said as by `requireTool`. */
export function requirePackages(...names: [string, ...string[]]): boolean {
  try {
    unpackPackages(...names);
    return true;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return requireThat(false, `Debian's package ${names[0]} could not be fetched and unpacked (${reason})`);
  }
}

/**
 * Fetches packages of Debian and the libraries that they need and this machine lacks, and unpacks them all
 * into one folder. For servers that exclude each other as packages: no more than one can be installed.
 * @throws Error where apt is not there, or knows no such package
 */
export function unpackPackages(...names: [string, ...string[]]): UnpackedPackage {
  const folder = join(cache, names[0]);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true, mode: 0o755 });
    const making = mkdtempSync(join(cache, "making-"));
    try {
      unpackAll(names, making);
      chmodSync(making, 0o755);
      // Another process may have been faster.
      if (!existsSync(folder)) renameSync(making, folder);
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
  }
  const libraryFolder = join(folder, "usr/lib");
  const folders = existsSync(libraryFolder) ? readdirSync(libraryFolder) : [];
  const libraries = folders.find((name) => name.includes("-linux-")) ?? "";
  return { folder, env: { ...process.env, LD_LIBRARY_PATH: join(libraryFolder, libraries) } };
}

function unpackAll(names: readonly string[], folder: string): void {
  const seen = new Set<string>();
  for (let wanted = [...names]; wanted.length > 0; ) {
    for (const name of wanted) seen.add(name);
    execFileSync("apt-get", ["download", ...wanted], { cwd: folder, timeout: 60_000, stdio: "pipe" });
    const next = new Set<string>();
    for (const file of readdirSync(folder).filter((each) => each.endsWith(".deb"))) {
      const path = join(folder, file);
      for (const library of librariesOf(path)) if (!seen.has(library)) next.add(library);
      execFileSync("dpkg", ["-x", path, folder], { stdio: "pipe" });
      rmSync(path);
    }
    wanted = [...next];
  }
}

/** The libraries that a package depends on and that are not installed. */
function librariesOf(path: string): string[] {
  const needs = execFileSync("dpkg-deb", ["-f", path, "Depends", "Pre-Depends"], { encoding: "utf8" });
  const names = needs.match(/(?<=[\s,])lib[a-z0-9.+-]+/g) ?? [];
  return names.filter((name) => !isInstalled(name));
}

function isInstalled(name: string): boolean {
  try {
    const status = execFileSync("dpkg-query", ["-W", "-f", "$" + "{Status}", name], { stdio: "pipe" });
    return status.includes("ok installed");
  } catch {
    return false;
  }
}
