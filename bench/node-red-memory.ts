/**
 * How much memory Node-RED takes above its idle state while it delivers: `npx tsx bench/node-red-memory.ts
 * [mebibytes]`. A file to S3, a file to FTP, and a function that yields chunks to S3, each in a Node-RED
 * of its own; the servers run in another process. Fails when one takes 150 MB.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startFtpServer } from "../demo/servers/ftp";
import { startS3Server } from "../demo/servers/s3";
import { type FlowNode, startNodeRed } from "../test/support/node-red-process";
import { provideRuntime, type Runtime } from "../test/support/runtimes";

const mebibyte = 1024 * 1024;
const limitBytes = 150e6;
const idleMs = 5_000;
const longestMs = 15 * 60_000;

interface Servers {
  s3: { endpoint: string; accessKeyId: string; secretAccessKey: string };
  ftp: { host: string; port: number; user: string; password: string };
}

interface Case {
  title: string;
  source: Record<string, unknown>;
  to: "to-s3" | "to-ftp";
}

async function serve(): Promise<void> {
  const s3 = await startS3Server();
  const ftp = await startFtpServer();
  s3.createBucket("bench");
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  const { host, port, user, password } = ftp;
  const servers: Servers = {
    s3: { endpoint, accessKeyId, secretAccessKey },
    ftp: { host, port, user, password },
  };
  process.send?.(servers);
  process.once("disconnect", () => {
    void Promise.all([s3.close(), ftp.close()]).then(() => process.exit());
  });
}

async function main(size: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "bench-memory-"));
  const file = join(folder, "large.bin");
  const child: ChildProcess = spawn(process.execPath, ["--import", "tsx", __filename, "serve"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  try {
    const [servers] = (await once(child, "message")) as [Servers];
    await makeFile(file, size);
    const chunk = "const chunk = Buffer.alloc(65536, 1);";
    const func = `${chunk} return (function* () { for (let n = 0; n < ${size / 65_536}; n++) yield chunk; })();`;
    const cases: Case[] = [
      { title: "a file to S3", source: { kind: "file", path: file }, to: "to-s3" },
      { title: "a file to FTP", source: { kind: "file", path: file }, to: "to-ftp" },
      { title: "a function to S3", source: { kind: "function", func, fileName: "made.bin" }, to: "to-s3" },
    ];
    const runtime = await provideRuntime("node-red-4");
    const figures: Record<string, Figures> = {};
    for (const one of cases) {
      figures[one.title] = await measure(runtime, flowOf(servers, one), one.title, size);
    }
    console.table(figures);
    const most = Math.max(...Object.values(figures).map((row) => row["MiB above idle"]));
    process.exitCode = most * mebibyte > limitBytes ? 1 : 0;
  } finally {
    child.disconnect();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Figures {
  "MiB idle": number;
  "MiB above idle": number;
  seconds: number;
  "MB/s": number;
}

async function makeFile(file: string, size: number): Promise<void> {
  const handle = await open(file, "w");
  const chunk = Buffer.alloc(mebibyte, "x");
  for (let written = 0; written < size; written += chunk.length) await handle.write(chunk);
  await handle.close();
}

async function measure(
  runtime: Runtime,
  flows: readonly FlowNode[],
  title: string,
  size: number,
): Promise<Figures> {
  const nodeRed = await startNodeRed({ runtime, flows });
  try {
    await sleep(idleMs);
    const idleBytes = await memoryOf(nodeRed.pid, "VmRSS");
    // Forgets the peak of the start: proc_pid_clear_refs(5).
    await writeFile(`/proc/${nodeRed.pid}/clear_refs`, "5");
    const startedMs = performance.now();
    await nodeRed.inject("button");
    const { delivery } = await nodeRed.waitForMessage("result", undefined, longestMs);
    const seconds = (performance.now() - startedMs) / 1_000;
    const { state, bytes } = delivery as { state: string; bytes?: number };
    if (state !== "delivered" || bytes !== size) throw new Error(`${title}: ${JSON.stringify(delivery)}`);
    const aboveBytes = (await memoryOf(nodeRed.pid, "VmHWM")) - idleBytes;
    return {
      "MiB idle": Math.round(idleBytes / mebibyte),
      "MiB above idle": Math.round(aboveBytes / mebibyte),
      seconds: Number(seconds.toFixed(1)),
      "MB/s": Math.round(size / 1e6 / seconds),
    };
  } finally {
    await nodeRed.stop();
  }
}

async function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
}

function flowOf({ s3, ftp }: Servers, { source, to }: Case): FlowNode[] {
  const on = { z: "tab" };
  const { endpoint, ...keys } = s3;
  const { user, password, ...server } = ftp;
  return [
    { id: "tab", type: "tab", label: "bench" },
    { id: "button", type: "inject", ...on, props: [], wires: [["source"]] },
    { id: "source", type: "delivery-data-source", ...on, ...source, wires: [[to]] },
    {
      id: "s3",
      type: "delivery-s3-connection",
      endpoint,
      region: "us-east-1",
      pathStyle: true,
      authentication: "keys",
      credentials: keys,
    },
    {
      id: "ftp",
      type: "delivery-ftp-connection",
      ...server,
      security: "none",
      credentials: { user, password },
    },
    {
      id: "to-s3",
      type: "delivery-s3-writer",
      ...on,
      connection: "s3",
      bucket: "bench",
      wires: [["result"], ["result"]],
    },
    { id: "to-ftp", type: "delivery-ftp-writer", ...on, connection: "ftp", wires: [["result"], ["result"]] },
    { id: "result", type: "debug", ...on, active: false, complete: "true", wires: [] },
  ];
}

const [argument = "1024"] = process.argv.slice(2);
void (argument === "serve" ? serve() : main(Number(argument) * mebibyte));
