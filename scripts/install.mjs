import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, statSync } from "node:fs";
import { join } from "node:path";

export const packageRoot = join(import.meta.dirname, "..");

/** Runs a program to its end, with our own input and output. @returns its exit code */
export function run(program, args, env = {}) {
  const { status, error } = spawnSync(program, args, {
    cwd: packageRoot,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  if (error) console.error(`${program} did not start: ${error.message}`);
  return status ?? 1;
}

/** For what must succeed before anything else makes sense. */
export function runOrExit(program, args) {
  const code = run(program, args);
  if (code !== 0) process.exit(code);
}

/** Makes node_modules what package-lock.json says. npm leaves its own note of when it last did so. */
export function installIfStale() {
  const installed = join(packageRoot, "node_modules/.package-lock.json");
  const wanted = join(packageRoot, "package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  if (lstatSync(join(packageRoot, "node_modules"), { throwIfNoEntry: false })?.isSymbolicLink()) {
    // npm ci would empty the folder that it leads to, which belongs to another checkout.
    console.error("node_modules is a link to a folder older than package-lock.json: run npm ci there.");
    process.exit(1);
  }
  runOrExit("npm", ["ci"]);
}
