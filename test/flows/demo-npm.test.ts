import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ensureBuilt, packageRoot } from "../support/built-package";
import { freePort } from "../support/free-port";

const copied = ["demo", "examples", "icons", "scripts", "src", "tsconfig.build.json", "tsconfig.json"];

test("npm, which somebody kills, takes the demo along, although its shell lives on", async () => {
  await ensureBuilt();
  const temporary = mkdtempSync(join(tmpdir(), "demo-npm-test-"));
  const copy = join(temporary, "copy");
  for (const name of [...copied, "package.json", "package-lock.json"]) {
    // With their times: nothing is to be installed or built anew.
    cpSync(join(packageRoot, name), join(copy, name), { recursive: true, preserveTimestamps: true });
  }
  for (const name of ["dist", "node_modules", "resources"])
    symlinkSync(join(packageRoot, name), join(copy, name));
  const npm = spawn("npm", ["run", "demo", "--", "--port", String(await freePort())], {
    cwd: copy,
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, TMPDIR: temporary },
  });
  const group = npm.pid as number;
  onTestFinished(() => {
    for (const pid of processesOf(group)) process.kill(pid, "SIGKILL");
    rmSync(temporary, { recursive: true, force: true });
  });
  let output = "";
  npm.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await expect.poll(() => output, { timeout: 90_000 }).toContain("delivered  s3://");
  npm.kill("SIGKILL");
  await expect.poll(() => processesOf(group), { timeout: 30_000 }).toEqual([]);
  expect(existsSync(join(copy, ".cache/demo")), "what the next one goes on with").toBe(true);
});

function processesOf(group: number): number[] {
  const lines = execFileSync("ps", ["-eo", "pgid=,pid=,stat="], { encoding: "utf8" }).split("\n");
  const found = lines.map((line) => line.trim().split(/\s+/));
  return found
    .filter(([of, , state = ""]) => Number(of) === group && !state.startsWith("Z"))
    .map(([, pid]) => Number(pid));
}
