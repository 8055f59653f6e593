import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const root = path.join(__dirname, "../..");

/** What a runtime without a folder for its user's data does in a process of its own. */
const program = `
  const { readdirSync, statSync } = require("node:fs");
  const { Readable } = require("node:stream");
  const { engineOf } = require("./src/nodes/shared/engine");
  const { spool } = engineOf({ settings: {}, log: { warn() {} } });
  spool.put(Readable.from(["content"])).then(() => {
    const [name] = readdirSync(process.env.TMPDIR).filter((found) => found.startsWith("node-red"));
    const { mode } = statSync(process.env.TMPDIR + "/" + name);
    console.log(JSON.stringify({ name, mode: mode & 0o777, pid: process.pid }));
    process.exit();
  });
`;

test("without a user folder, content is kept where nobody else can have put anything, and goes at the end", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "temporary-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const runOnce = async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--require", "tsx/cjs", "--eval", program],
      { cwd: root, env: { ...process.env, TMPDIR: folder } },
    );
    return JSON.parse(stdout) as { name: string; mode: number; pid: number };
  };
  const runs = [await runOnce(), await runOnce()];
  for (const { name, mode, pid } of runs) {
    expect(mode).toBe(0o700);
    expect(name).not.toContain(String(pid));
  }
  expect(runs[0]?.name).not.toBe(runs[1]?.name);
  expect((await readdir(folder)).filter((name) => name.startsWith("node-red"))).toEqual([]);
});
