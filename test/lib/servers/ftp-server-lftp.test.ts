import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FtpServer, startFtpServer } from "../../../demo/servers/ftp";
import { createAuthority } from "../../support/certificates";
import { requireTool } from "../../support/required";

const run = promisify(execFile);
const available = requireTool("lftp", "/usr/bin/lftp");

// A client that shares no code with ours.
describe.runIf(available).each([
  ["plain", undefined],
  ["explicit TLS", "explicit"],
  ["implicit TLS", "implicit"],
] as const)("lftp, %s", (_title, mode) => {
  let server: FtpServer;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lftp-"));
    const authority = await createAuthority();
    await writeFile(join(folder, "ca.pem"), authority.ca);
    const certificate = await authority.issue();
    server = await startFtpServer(mode ? { tls: { ...certificate, mode, requireSessionReuse: true } } : {});
  });

  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  async function lftp(script: string): Promise<string> {
    const url = `${mode === "implicit" ? "ftps" : "ftp"}://${server.user}:${server.password}@localhost:${server.port}`;
    const settings = [
      "set net:max-retries 1",
      "set net:timeout 5",
      `set ssl:ca-file ${join(folder, "ca.pem")}`,
      `set ftp:ssl-force ${mode !== undefined}`,
      "set ftp:ssl-protect-data true",
      "set ftp:ssl-copy-sid true",
      "set cmd:fail-exit true",
    ];
    const { stdout } = await run("lftp", ["--norc", "-c", [...settings, `open ${url}`, script].join("; ")]);
    return stdout;
  }

  test("puts, lists, mirrors, renames and gets", { timeout: 20_000 }, async () => {
    const bytes = randomBytes(3_000_000);
    await writeFile(join(folder, "local.bin"), bytes);
    await writeFile(join(folder, "empty"), "");
    const out = await lftp(
      `lcd ${folder}; mkdir -p a/b; cd a/b; put local.bin; put empty; mv local.bin "näme 1.bin"; cls -1; get "näme 1.bin" -o back.bin`,
    );
    expect(out.trim().split("\n").sort()).toEqual(["empty", "näme 1.bin"]);
    expect((await readFile(join(server.root, "a", "b", "näme 1.bin"))).equals(bytes)).toBe(true);
    expect((await readFile(join(folder, "back.bin"))).equals(bytes)).toBe(true);
    expect((await readdir(join(server.root, "a", "b"))).sort()).toEqual(["empty", "näme 1.bin"]);
  });
});
