/**
 * What an upload to OpenSSH takes, in time and memory, beside the same by sftp(1). Needs root and Debian's
 * openssh-server and openssh-client: `npx tsx bench/sftp.ts [mebibytes]`.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  createFolderWriter,
  createSftpConnection,
  createSftpWriter,
  createSpool,
  openSource,
  prepareSource,
  readFolderWriterOptions,
  readSftpConnectionOptions,
  readSftpWriterOptions,
  type Writer,
} from "../src/lib";
import { startSshd } from "../test/support/sshd";
import { expectSameContent } from "./same-content";

const runs = 5;
const mebibyte = 1024 * 1024;

async function main(): Promise<void> {
  const megabytes = Number(process.argv[2] ?? 1024);
  const folder = await mkdtemp(join(tmpdir(), "sftp-bench-"));
  const server = await startSshd();
  try {
    const file = join(folder, "content.bin");
    await pipeline(Readable.from(blocks(megabytes)), createWriteStream(file));
    const { host, port, user, privateKey, knownHosts } = server;
    const connection = createSftpConnection(
      readSftpConnectionOptions({ host, port, user, privateKey, hostKeys: knownHosts }),
    );
    const sftp = createSftpWriter(connection, readSftpWriterOptions({}));
    const local = createFolderWriter(readFolderWriterOptions({ root: folder }));
    const key = join(folder, "key");
    await writeFile(key, privateKey, { mode: 0o600 });
    await chmod(key, 0o600);
    const idleBytes = process.memoryUsage.rss();
    let peakBytes = 0;
    const sampler = setInterval(() => {
      peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
    }, 50);
    const seconds: Record<string, number[]> = {
      "sftp(1)": [],
      "sftp writer": [],
      "folder writer": [],
      "cp and sync": [],
    };
    // One after the other in each round: whatever else the machine does then weighs on all of them.
    for (let round = 0; round < runs; round++) {
      seconds["sftp(1)"]?.push(await timed(async () => byClient(file, key, server)));
      seconds["sftp writer"]?.push(await timed(() => deliver(sftp, file, `by writer ${round}.bin`)));
      seconds["folder writer"]?.push(await timed(() => deliver(local, file, `copy ${round}.bin`)));
      seconds["cp and sync"]?.push(
        await timed(async () => {
          execFileSync("cp", [file, join(folder, "cp.bin")]);
          execFileSync("sync", [join(folder, "cp.bin")]);
        }),
      );
      await rm(join(folder, `copy ${round}.bin`));
      await expectSameContent(file, join(server.root, `by writer ${round}.bin`));
      await rm(join(server.root, `by writer ${round}.bin`));
    }
    clearInterval(sampler);
    await connection.close();
    for (const [name, all] of Object.entries(seconds)) {
      const median = [...all].sort((a, b) => a - b)[runs >> 1] ?? 0;
      console.log(
        `${name}: median of ${runs} ${(megabytes / median).toFixed(0)} MiB/s (${median.toFixed(2)} s)`,
      );
    }
    const addedBytes = peakBytes - idleBytes;
    console.log(`memory: ${toMebibytes(idleBytes)} MiB idle, ${toMebibytes(addedBytes)} MiB more at most`);
    if (addedBytes > 150 * mebibyte) process.exitCode = 1;
  } finally {
    await server.stop();
    await rm(folder, { recursive: true });
  }
}

function* blocks(count: number) {
  for (let n = 0; n < count; n++) yield randomBytes(mebibyte);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

async function deliver(writer: Writer, path: string, target: string): Promise<void> {
  const spool = createSpool({ folder: join(tmpdir(), "sftp-bench-spool") });
  const spec = await prepareSource({ kind: "file", name: "content.bin", path }, { spool });
  const request = { deliveryId: target, target, contentType: undefined, metadata: {}, attributes: {} };
  const context = { signal: new AbortController().signal, onProgress: () => {} };
  await writer.write(await openSource(spec, { spool }), request, context);
}

function byClient(
  file: string,
  key: string,
  { host, port, user, root }: Awaited<ReturnType<typeof startSshd>>,
): void {
  const options = ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "LogLevel=ERROR"];
  const settings = options.flatMap((option) => ["-o", option]);
  // -f: has the server flush it, as the writer does.
  execFileSync("sftp", ["-q", "-P", String(port), "-i", key, ...settings, "-b", "-", `${user}@${host}`], {
    input: `put -f "${file}" "${root}/by client.bin"\n`,
    stdio: ["pipe", "ignore", "inherit"],
  });
}

const toMebibytes = (bytes: number) => (bytes / mebibyte).toFixed(0);

void main();
