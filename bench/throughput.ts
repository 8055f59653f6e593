/**
 * How fast large and many small files go, beside curl in the same run:
 * `node --require tsx/cjs bench/throughput.ts [mebibytes] [mebibytes for the memory]`.
 * To S3, the embedded server in a process of its own, and to Debian's vsftpd, each with all that a delivery is
 * promised: kept in a SQLite store, temporary names, checksums, a look at what arrived. Needs root, curl and
 * vsftpd, and a machine that does nothing else. Fails when a limit is missed.
 */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startS3Server } from "../demo/servers/s3";
import {
  createFtpConnection,
  createFtpWriter,
  createS3Connection,
  createS3Writer,
  createSpool,
  createSqliteStore,
  createUnfinishedUploads,
  type DeliveryDraft,
  DeliveryRunner,
  prepareSource,
  readFtpConnectionOptions,
  readFtpWriterOptions,
  readS3ConnectionOptions,
  readS3WriterOptions,
  type Writer,
  writerAttempt,
} from "../src/lib";
import { startVsftpd } from "../test/support/vsftpd";
import { expectSameContent } from "./same-content";

const rounds = 5;
const mebibyte = 1024 * 1024;
const bucket = "bench";
/** As in the nodes: how long whoever was told of a result has to take it over. */
const settleMs = 1_000;
const smallFiles = 2_000;
const smallBytes = 4 * 1024;
const limits = { s3: 4, ftp: 3, smallFilesSeconds: 10, memoryMegabytes: 80 };

/** In memory: servers elsewhere would not share the disk of the store, which waits for it. */
const serverFiles = "/dev/shm";

type Protocol = "s3" | "ftp";

/** What both the bench and its child for the memory need. */
interface Servers {
  s3: { endpoint: string; accessKeyId: string; secretAccessKey: string };
  ftp: { host: string; port: number; user: string; password: string };
}

async function main(megabytes: number, memoryMegabytes: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "throughput-"));
  process.env.TMPDIR = serverFiles;
  const store = spawn(process.execPath, ["--require", "tsx/cjs", __filename, "serve"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const vsftpd = await startVsftpd();
  delete process.env.TMPDIR;
  try {
    const [s3] = (await once(store, "message")) as [Servers["s3"]];
    const { host, port, user, password } = vsftpd;
    const servers: Servers = { s3, ftp: { host, port, user, password } };
    const file = join(folder, "large.bin");
    await makeFile(file, megabytes);
    await sendSmallFiles(servers, { folder, root: vsftpd.root });
    const place: Place = { file, folder, megabytes, root: vsftpd.root };
    for (const protocol of ["ftp", "s3"] as const) await compareSpeed(servers, protocol, place);
    await makeFile(file, memoryMegabytes);
    for (const protocol of ["s3", "ftp"] as const) await measureMemory(servers, protocol, file);
  } finally {
    store.disconnect();
    await once(store, "exit");
    await vsftpd.stop();
    await rm(folder, { recursive: true });
  }
}

async function serve(): Promise<void> {
  const server = await startS3Server();
  server.createBucket(bucket);
  const { endpoint, accessKeyId, secretAccessKey } = server;
  process.send?.({ endpoint, accessKeyId, secretAccessKey });
  process.once("disconnect", () => void server.close().then(() => process.exit()));
}

interface Place {
  file: string;
  folder: string;
  megabytes: number;
  /** Where the FTP server has its files. */
  root: string;
}

/** One protocol after the other: memory that a server has just let go of makes others fast or slow. */
async function compareSpeed(servers: Servers, protocol: Protocol, place: Place): Promise<void> {
  const { file, folder, megabytes, root } = place;
  const { writer, close } = connect(servers, protocol, folder);
  const seconds = { curl: [] as number[], writer: [] as number[] };
  const measure = async (who: keyof typeof seconds, work: () => Promise<unknown>) => {
    // What the one before has left in memory for the disk must not weigh on this one.
    execFileSync("sync");
    seconds[who].push(await timed(work));
  };
  // In turns: whatever else the machine does then weighs on both.
  for (let round = 0; round < rounds; round++) {
    await measure("curl", async () => curlTo(protocol, servers, file));
    await measure("writer", () => deliver(writer, folder, [fileDraft(file, "large.bin")]));
    if (protocol === "s3") continue;
    if (round === 0) await expectSameContent(file, join(root, "large.bin"));
    // A new file each time: overwriting costs curl no room, and a temporary name that of the whole file.
    for (const name of ["curl.bin", "large.bin"]) await rm(join(root, name));
  }
  await close();
  const [curl, ours] = [median(seconds.curl), median(seconds.writer)];
  for (const [who, one] of [
    ["curl", curl],
    ["writer", ours],
  ] as const) {
    console.log(`${who} to ${protocol}: ${one.toFixed(2)} s, ${(megabytes / one).toFixed(0)} MiB/s`);
  }
  check(`${protocol} writer, times curl`, ours / curl, limits[protocol]);
}

/** Through the store, as in Node-RED: each is kept on the disk before it is sent, and settled there. */
async function sendSmallFiles(
  servers: Servers,
  { folder, root }: Pick<Place, "folder" | "root">,
): Promise<void> {
  const { writer, close } = connect(servers, "ftp", folder);
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const drafts = Array.from({ length: smallFiles }, (_, n) => ({
      ...draftOf(`small-${round}/${n}.bin`),
      source: { kind: "bytes" as const, name: `${n}.bin`, bytes: randomBytes(smallBytes) },
    }));
    seconds.push(await timed(() => deliver(writer, folder, drafts)));
    const arrived = await readdir(join(root, `small-${round}`));
    if (arrived.length !== smallFiles) throw new Error(`Only ${arrived.length} files arrived.`);
  }
  await close();
  check(`${smallFiles} files of 4 KiB to FTP, seconds`, median(seconds), limits.smallFilesSeconds);
}

/** In a process of its own, so that nothing of the other work is left in its memory. */
async function measureMemory(servers: Servers, protocol: Protocol, file: string): Promise<void> {
  const child = spawn(process.execPath, ["--require", "tsx/cjs", __filename, "memory", protocol, file], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  child.send(servers);
  const [megabytes] = (await once(child, "message")) as [number];
  await once(child, "exit");
  check(`memory above idle for one large file by ${protocol}, MB`, megabytes, limits.memoryMegabytes);
}

async function memoryOf(protocol: Protocol, file: string): Promise<void> {
  const [servers] = (await once(process, "message")) as [Servers];
  const folder = await mkdtemp(join(tmpdir(), "throughput-memory-"));
  const { writer, close } = connect(servers, protocol, folder);
  const small = { ...draftOf("first.txt"), source: { kind: "text" as const, name: "first.txt", text: "x" } };
  // What the first delivery loads is idle afterwards.
  await deliver(writer, folder, [small]);
  await sleep(2_000);
  const idle = process.memoryUsage.rss();
  let peak = idle;
  const sampler = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  await deliver(writer, folder, [fileDraft(file, "memory.bin")]);
  clearInterval(sampler);
  await close();
  await rm(folder, { recursive: true });
  process.send?.((peak - idle) / 1e6, () => process.disconnect());
}

function connect(servers: Servers, protocol: Protocol, folder: string) {
  if (protocol === "ftp") {
    const connection = createFtpConnection(readFtpConnectionOptions(servers.ftp));
    return {
      writer: createFtpWriter(connection, readFtpWriterOptions({})),
      close: () => connection.close(),
    };
  }
  const connection = createS3Connection(readS3ConnectionOptions({ ...servers.s3, pathStyle: true }));
  const unfinished = createUnfinishedUploads({ folder: join(folder, "unfinished") });
  const writer = createS3Writer(connection, readS3WriterOptions({ bucket }), { unfinished });
  return { writer, close: async () => connection.close() };
}

type Draft = Omit<DeliveryDraft, "writer" | "source"> & Pick<DeliveryDraft, "source">;

function draftOf(target: string): Omit<Draft, "source"> {
  return { id: crypto.randomUUID(), target, location: target, metadata: {}, attributes: {} };
}

function fileDraft(file: string, target: string): Draft {
  return { ...draftOf(target), source: { kind: "file", name: target, path: file } };
}

/** From the first acceptance until all are delivered, four at a time. */
async function deliver(writer: Writer, folder: string, drafts: readonly Draft[]): Promise<void> {
  const spool = createSpool({ folder: join(folder, "spool") });
  const store = createSqliteStore({
    file: join(folder, `${crypto.randomUUID()}.sqlite`),
    onNotice: console.warn,
  });
  let left = drafts.length;
  await new Promise<void>((resolve, reject) => {
    const runner = new DeliveryRunner({
      queue: "bench",
      store,
      settleMs,
      attempt: writerAttempt(writer, { spool }),
      announce({ state, error }) {
        if (state !== "delivered") reject(new Error(error?.message));
        left -= 1;
        if (left === 0) void runner.close().then(resolve);
      },
    });
    runner.start();
    const reference = { id: "bench", type: writer.type, name: "" };
    const accept = async (draft: Draft) => {
      const source = await prepareSource(draft.source, { spool });
      await runner.accept({ ...draft, source, writer: reference });
    };
    Promise.all(drafts.map(accept)).catch(reject);
  });
  await store.close();
}

function curlTo(protocol: Protocol, { ftp, s3 }: Servers, file: string): void {
  if (protocol === "ftp") {
    const { user, password, host, port } = ftp;
    curl("--user", `${user}:${password}`, "-T", file, `ftp://${host}:${port}/curl.bin`);
    return;
  }
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  const login = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", `${accessKeyId}:${secretAccessKey}`];
  // What this curl signs by itself is the checksum of nothing.
  login.push("--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD");
  curl(...login, "-T", file, `${endpoint}/${bucket}/curl.bin`);
}

function curl(...parameters: string[]): void {
  execFileSync("curl", ["--silent", "--show-error", "--fail", "--noproxy", "*", ...parameters], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

async function makeFile(file: string, megabytes: number): Promise<void> {
  const handle = await open(file, "w");
  for (let n = 0; n < megabytes; n++) await handle.write(randomBytes(mebibyte));
  await handle.close();
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1_000;
}

function median(all: readonly number[]): number {
  return [...all].sort((a, b) => a - b)[all.length >> 1] ?? Number.NaN;
}

function check(what: string, found: number, limit: number): void {
  console.log(`${what}: ${found.toFixed(2)} (at most ${limit})`);
  if (!(found <= limit)) process.exitCode = 1;
}

// They cost each stack trace a hundred times what it costs in what is published.
process.setSourceMapsEnabled(false);
const [first = "1024", second = "4096", third = ""] = process.argv.slice(2);
if (first === "serve") void serve();
else if (first === "memory") void memoryOf(second as Protocol, third);
else void main(Number(first), Number(second));
