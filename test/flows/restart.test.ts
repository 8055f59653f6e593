import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { type FtpServer, startFtpServer } from "../../demo/servers/ftp";
import { type SmtpServer, startSmtpServer } from "../../demo/servers/smtp";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { provideRuntime, type Runtime, runtimeNames } from "../support/runtimes";
import { ftpFlow } from "./ftp-flow";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Place {
  userDir: string;
  ftp: FtpServer;
  smtp: SmtpServer;
  /** Ports that stay the same while servers come and go. */
  flow: FlowNode[];
}

async function createPlace(policy: Record<string, unknown>): Promise<Place> {
  const userDir = await mkdtemp(join(tmpdir(), "restart-"));
  cleanups.push(() => rm(userDir, { recursive: true, force: true }));
  const ftp = await startFtpServer();
  const smtp = await startSmtpServer();
  cleanups.push(() => smtp.close());
  return { userDir, ftp, smtp, flow: ftpFlow({ ftp, smtp, policy }) };
}

const soon = {
  preset: "custom",
  attempts: 5,
  firstDelaySeconds: 3,
  factor: 1,
  jitterPercent: 0,
  kinds: ["unavailable"],
};

describe.each(runtimeNames)("%s", (name) => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await provideRuntime(name);
  }, 240_000);

  const start = async (place: Place, flows?: FlowNode[]): Promise<NodeRedProcess> => {
    const nodeRed = await startNodeRed({ runtime, userDir: place.userDir, ...(flows && { flows }) });
    cleanups.push(() => nodeRed.kill());
    return nodeRed;
  };

  test("a delivery that waits when the process is killed goes on in the next one", async () => {
    const place = await createPlace(soon);
    const { port, user, password } = place.ftp;
    await place.ftp.close();
    const first = await start(place, place.flow);
    await first.inject("button");
    const retrying = await first.waitForMessage("retrying");
    await first.kill();

    const ftp = await startFtpServer({ port, user, password });
    cleanups.push(() => ftp.close());
    const second = await start(place);
    const delivered = await second.waitForMessage("delivered", undefined, 30_000);
    expect(delivered.delivery).toMatchObject({
      id: (retrying.delivery as { id: string }).id,
      state: "delivered",
      bytes: 200_000,
      attempt: 2,
    });
    expect(delivered.payload).toBe(retrying.payload);
    expect(await readdir(join(ftp.root, "in"))).toEqual(["report.txt"]);
    await second.waitForMessage("sent");
    expect(place.smtp.messages).toHaveLength(1);
    await second.stop();
    // What has ended and was told of is not told of again.
    const third = await start(place);
    await third.waitForStatus("writer", () => true, 2_000).catch(() => {});
    expect(third.messages("delivered")).toEqual([]);
    expect(place.smtp.messages).toHaveLength(1);
  });

  test("what was given up just before the kill is told of once, by mail too", async () => {
    const place = await createPlace({ ...soon, attempts: 1 });
    await place.ftp.close();
    const first = await start(place, place.flow);
    await first.inject("button");
    await first.waitForMessage("gave-up");
    await first.kill();
    const second = await start(place);
    await second.waitForMessage("gave-up");
    await expect.poll(() => place.smtp.messages.length, { timeout: 15_000 }).toBe(1);
    expect(place.smtp.messages[0]?.subject).toContain("Not delivered");
    await second.stop();
    const third = await start(place);
    expect(third.messages("gave-up")).toEqual([]);
    expect(place.smtp.messages).toHaveLength(1);
  });
});
