import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { startS3Server } from "../../demo/servers/s3";
import { startSmtpServer } from "../../demo/servers/smtp";
import { type FlowNode, startNodeRed } from "../support/node-red-process";
import { provideRuntime } from "../support/runtimes";
import { ftpFlow } from "./ftp-flow";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const size = 50_000_000;

interface Target {
  flows: FlowNode[];
  /** The server stops reading in the middle, so that the upload cannot end; resolves when that begins. */
  stall(): { uploading: Promise<void>; end(): void };
  /** Everything that is there, and what is there only for the moment. */
  list(): Promise<string[]>;
}

async function ftpTarget(): Promise<Target> {
  const ftp = await startFtpServer();
  const smtp = await startSmtpServer();
  cleanups.push(
    () => ftp.close(),
    () => smtp.close(),
  );
  return {
    flows: ftpFlow({ ftp, smtp, source: { func: `return Buffer.alloc(${size}, "x");` } }),
    stall() {
      const uploading = new Promise<void>((begun) => {
        ftp.hook = (command) => {
          if (!command.startsWith("STOR")) return undefined;
          begun();
          return { stallAfterBytes: 5_000_000 };
        };
      });
      const end = () => {
        ftp.hook = undefined;
      };
      return { uploading, end };
    },
    list: () => readdir(join(ftp.root, "in")).catch(() => []),
  };
}

async function s3Target(): Promise<Target> {
  const { flows } = await ftpTarget();
  const s3 = await startS3Server();
  cleanups.push(() => s3.close());
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  const bucket = s3.createBucket("reports");
  const connection = { endpoint, pathStyle: true, credentials: { accessKeyId, secretAccessKey } };
  const writer = { connection: "s3", bucket: bucket.name, concurrency: 4 };
  return {
    flows: [
      ...flows.map((node) =>
        node.id === "writer" ? { ...node, type: "delivery-s3-writer", ...writer } : node,
      ),
      { id: "s3", type: "delivery-s3-connection", ...connection },
    ],
    stall() {
      let end = () => {};
      const uploading = new Promise<void>((begun) => {
        end = s3.onRequest(({ operation, query }) => {
          if (operation !== "UploadPart" || query.get("partNumber") !== "3") return undefined;
          begun();
          return { stallAfterBytes: 1_000_000 };
        });
      });
      return { uploading, end };
    },
    list: async () => [
      ...bucket.objects.keys(),
      ...[...bucket.uploads.values()].map(({ key }) => `upload:${key}`),
    ],
  };
}

test.each([
  { to: "FTP", target: ftpTarget },
  { to: "S3", target: s3Target },
])(
  "a stop in the middle of an upload to $to takes less than 15 s, leaves nothing, and the next start delivers",
  async ({ target }) => {
    const userDir = await mkdtemp(join(tmpdir(), "stop-"));
    cleanups.push(() => rm(userDir, { recursive: true, force: true }));
    const { flows, stall, list } = await target();
    const runtime = await provideRuntime("node-red-4");
    const nodeRed = await startNodeRed({ runtime, userDir, flows });
    cleanups.push(() => nodeRed.kill());

    const { uploading, end } = stall();
    await nodeRed.inject("button");
    await uploading;
    await expect.poll(list, { timeout: 10_000 }).toHaveLength(1);
    const { code, elapsedMs } = await nodeRed.stop();
    expect(code).toBe(0);
    expect(elapsedMs).toBeLessThan(15_000);
    expect(await list()).toEqual([]);

    end();
    const next = await startNodeRed({ runtime, userDir });
    cleanups.push(() => next.kill());
    const { delivery } = await next.waitForMessage("delivered", undefined, 30_000);
    expect(delivery).toMatchObject({ state: "delivered", bytes: size, attempt: 1 });
    expect(await list()).toEqual(["report.txt"]);
  },
);
