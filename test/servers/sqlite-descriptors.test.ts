import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { requireTool } from "../support/required";

const prlimit = "/usr/bin/prlimit";
const packageRoot = path.join(__dirname, "../..");

test.runIf(requireTool("prlimit", prlimit))(
  "a process without descriptors takes nothing that it cannot keep, says so, and goes on when it has some",
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "descriptors-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const child = path.join(__dirname, "sqlite-descriptors-child.ts");
    const node = [process.execPath, "--require", "tsx/cjs", child, folder];
    const { stdout } = await promisify(execFile)(prlimit, ["--nofile=256", ...node], { cwd: packageRoot });
    const { gone, back, kept } = JSON.parse(stdout);
    // Its file is open already.
    expect(gone.opened).toBe("done");
    expect(gone.closed).toMatch(
      /^local: The delivery store .*closed\.sqlite cannot be used: too many files are open/,
    );
    expect(gone.spool).toMatch(/^local: .*too many files are open/);
    expect(back).toEqual({ opened: "done", closed: "done", spool: "done" });
    expect(kept).toMatchObject({ opened: { queued: 3 }, closed: { queued: 1 } });
  },
);
