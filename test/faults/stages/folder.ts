import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  createFolderWriter,
  type DataSource,
  DeliveryError,
  type ErrorRecord,
  type Receipt,
  readFolderWriterOptions,
  type WriteRequest,
} from "../../../src/lib";
import { hiddenName } from "../../../src/lib/writers/publication";
import { diskTarget } from "../../support/disk-target";
import type { Stage } from "../scene";

const run = promisify(execFile);
const packageRoot = join(__dirname, "../../..");
export const stracePath = "/usr/bin/strace";

/**
 * A folder of this machine. `server` is a system call that fails in the first attempt, as in strace(1):
 * `write:error=ENOSPC`; only the calls count that concern the file and its temporary name.
 */
export function folder(): Stage {
  let parent: string;
  return {
    name: "folder",
    async start() {
      parent = await mkdtemp(join(tmpdir(), "fault-folder-"));
    },
    stop: () => rm(parent, { recursive: true }),
    async scene(row, options) {
      const root = join(parent, row);
      await mkdir(root);
      const settings = { root, ...options.writer };
      const writer = createFolderWriter(readFolderWriterOptions(settings));
      let attempts = 0;
      let strikes = 0;
      return {
        ...diskTarget(root),
        writer: {
          ...writer,
          async write(source, request, context) {
            if (typeof options.server !== "string" || attempts++ > 0) {
              return writer.write(source, request, context);
            }
            const failed = await attemptUnder(options.server, { settings, source, request });
            strikes = failed.strikes;
            if ("outcome" in failed.outcome) return failed.outcome;
            throw new DeliveryError(failed.outcome.kind, failed.outcome.message, failed.outcome);
          },
        },
        where: "the folder",
        path: `${root}/`,
        secrets: [],
        serverStrikes: () => strikes,
        close: () => writer.close(),
        async end() {},
      };
    },
  };
}

interface Attempt {
  settings: { root: string };
  source: DataSource;
  request: WriteRequest;
}

/** One attempt in a process of its own, in which a system call fails. */
async function attemptUnder(
  fault: string,
  { settings, source, request }: Attempt,
): Promise<{ outcome: Receipt | ErrorRecord; strikes: number }> {
  const { root } = settings;
  const path = `${root}-source`;
  const trace = `${root}-trace`;
  const reading = await source.read();
  await writeFile(path, reading.stream);
  const names = { rename: "rename,renameat,renameat2", link: "link,linkat", unlink: "unlink,unlinkat" };
  const [call = "", ...how] = fault.split(":");
  const calls = names[call as keyof typeof names] ?? call;
  const leaves = [request.target, hiddenName(request, "part")];
  const paths = leaves.flatMap((leaf) => ["-P", join(root, leaf)]);
  const inject = ["-e", `trace=${calls}`, "-e", `inject=${[calls, ...how].join(":")}`];
  const spec = { kind: "file", path, name: source.name, size: source.size, sha256: source.sha256 };
  const child = [process.execPath, "--require", "tsx/cjs", join(__dirname, "../folder-child.ts")];
  const parameters = [settings, request, spec].map((value) => JSON.stringify(value));
  const strace = ["-f", "-qq", "-o", trace, ...paths, ...inject];
  const { stdout } = await run(stracePath, [...strace, ...child, ...parameters], { cwd: packageRoot });
  const strikes = (await readFile(trace, "utf8"))
    .split("\n")
    .filter((line) => /INJECTED|DELAYED/.test(line)).length;
  return { outcome: JSON.parse(stdout), strikes };
}
