/**
 * How much memory uploads to S3 take, and how long: `npx tsx bench/s3-memory.ts [mebibytes] [at once]`.
 * The store runs in a process of its own. Fails when the peak is 150 MB over the memory before.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Readable } from "node:stream";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { startS3Server } from "../demo/servers/s3";
import type { DataSource } from "../src/lib/types";
import {
  createS3Connection,
  createS3Writer,
  readS3ConnectionOptions,
  readS3WriterOptions,
} from "../src/lib/writers/s3";

const mebibyte = 1024 * 1024;
const limitBytes = 150 * mebibyte;
const bucket = "memory";

/** Comes in chunks, as from a function that yields them. */
function madeUp(size: number): DataSource {
  return {
    name: "made-up.bin",
    contentType: undefined,
    size,
    sha256: undefined,
    async read() {
      const hash = createHash("sha256");
      let bytes = 0;
      function* chunks() {
        for (let n = 0; bytes < size; n++) {
          const chunk = Buffer.alloc(Math.min(64 * 1024, size - bytes), n);
          bytes += chunk.length;
          hash.update(chunk);
          yield chunk;
        }
      }
      const stream = Readable.from(chunks(), { objectMode: false });
      return {
        stream,
        get bytes() {
          return bytes;
        },
        sha256: () => hash.digest("hex"),
      };
    },
  };
}

async function startStore(): Promise<{ child: ChildProcess; keys: object }> {
  const child = spawn(process.execPath, ["--import", "tsx", __filename, "serve"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [keys] = await once(child, "message");
  return { child, keys };
}

async function serve(): Promise<void> {
  const { endpoint, accessKeyId, secretAccessKey } = await startS3Server();
  process.send?.({ endpoint, accessKeyId, secretAccessKey });
}

async function measure(size: number, atOnce: number): Promise<void> {
  const { child, keys } = await startStore();
  const connection = createS3Connection(readS3ConnectionOptions({ ...keys, pathStyle: true }));
  try {
    const client = await connection.client();
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const writer = createS3Writer(connection, readS3WriterOptions({ bucket }));
    const before = process.memoryUsage.rss();
    const started = performance.now();
    await Promise.all(
      Array.from({ length: atOnce }, (_, n) =>
        writer.write(
          madeUp(size),
          {
            deliveryId: `delivery-${n}`,
            target: `${n}.bin`,
            contentType: undefined,
            metadata: {},
            attributes: {},
          },
          { signal: new AbortController().signal, onProgress: () => {} },
        ),
      ),
    );
    const seconds = (performance.now() - started) / 1000;
    // The kernel's own high-water mark: it misses nothing between two looks.
    const peak = process.resourceUsage().maxRSS * 1024;
    const figures = {
      mebibytes: size / mebibyte,
      atOnce,
      beforeMiB: Math.round(before / mebibyte),
      peakOverBeforeMiB: Math.round((peak - before) / mebibyte),
      mebibytesPerSecond: Math.round((size * atOnce) / mebibyte / seconds),
    };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    if (peak - before > limitBytes) process.exitCode = 1;
  } finally {
    connection.close();
    child.kill();
  }
}

const [first = "1024", second = "1"] = process.argv.slice(2);
void (first === "serve" ? serve() : measure(Number(first) * mebibyte, Number(second)));
