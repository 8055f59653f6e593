import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { startSmtpServer } from "../../demo/servers/smtp";
import { startNodeRed } from "../support/node-red-process";
import { provideRuntime } from "../support/runtimes";
import { ftpFlow } from "./ftp-flow";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("a stop in the middle of an upload takes less than 15 s, leaves nothing, and the next start delivers", async () => {
  const userDir = await mkdtemp(join(tmpdir(), "stop-"));
  cleanups.push(() => rm(userDir, { recursive: true, force: true }));
  const ftp = await startFtpServer();
  const smtp = await startSmtpServer();
  cleanups.push(
    () => ftp.close(),
    () => smtp.close(),
  );
  const size = 50_000_000;
  const func = `return Buffer.alloc(${size}, "x");`;
  const runtime = await provideRuntime("node-red-4");
  const flows = ftpFlow({ ftp, smtp, source: { func } });
  const nodeRed = await startNodeRed({ runtime, userDir, flows });
  cleanups.push(() => nodeRed.kill());

  // A server that stops reading in the middle: the upload cannot end.
  let began: () => void;
  const uploading = new Promise<void>((resolve) => {
    began = resolve;
  });
  ftp.hook = (command) => {
    if (!command.startsWith("STOR")) return undefined;
    began();
    return { stallAfterBytes: 5_000_000 };
  };
  await nodeRed.inject("button");
  await uploading;
  const { code, elapsedMs } = await nodeRed.stop();
  expect(code).toBe(0);
  expect(elapsedMs).toBeLessThan(15_000);
  const left = async () => readdir(join(ftp.root, "in")).catch(() => []);
  expect(await left()).toEqual([]);

  ftp.hook = undefined;
  const next = await startNodeRed({ runtime, userDir });
  cleanups.push(() => next.kill());
  const { delivery } = await next.waitForMessage("delivered", undefined, 30_000);
  expect(delivery).toMatchObject({ state: "delivered", bytes: size, attempt: 1 });
  expect(await left()).toEqual(["report.txt"]);
});
