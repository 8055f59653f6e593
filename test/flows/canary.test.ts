import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { startS3Server } from "../../demo/servers/s3";
import { startSmtpServer } from "../../demo/servers/smtp";
import { type FlowNode, startNodeRed } from "../support/node-red-process";
import { provideRuntime, runtimeNames } from "../support/runtimes";
import { ftpFlow } from "./ftp-flow";

const canary = "canary-5f9c-Pa55!";
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Every credential is wrong, so that every server refuses it, and every refusal is told of. */
function plantedFlow(parts: Parameters<typeof ftpFlow>[0], endpoint: string): FlowNode[] {
  const flow = ftpFlow(parts).map((node) => {
    if (node.type === "delivery-ftp-connection") {
      return { ...node, credentials: { user: parts.ftp.user, password: `${canary}-ftp` } };
    }
    if (node.type === "delivery-smtp-connection") {
      return { ...node, credentials: { user: "us", password: `${canary}-smtp` } };
    }
    return node.id === "source" ? { ...node, wires: [["writer", "s3-writer"]] } : node;
  });
  return [
    ...flow,
    {
      id: "s3",
      type: "delivery-s3-connection",
      endpoint,
      region: "us-east-1",
      pathStyle: true,
      authentication: "keys",
      credentials: {
        accessKeyId: "us",
        secretAccessKey: `${canary}-secret`,
        sessionToken: `${canary}-token`,
      },
    },
    {
      id: "s3-writer",
      type: "delivery-s3-writer",
      z: "tab",
      connection: "s3",
      bucket: "reports",
      wires: [["delivered", "notify"], ["retry"]],
    },
  ];
}

test.each(runtimeNames)("%s: a password is in the credential store and nowhere else", async (name) => {
  const userDir = await mkdtemp(join(tmpdir(), "canary-"));
  cleanups.push(() => rm(userDir, { recursive: true, force: true }));
  const ftp = await startFtpServer();
  const smtp = await startSmtpServer({ user: "us", password: "another one" });
  const s3 = await startS3Server();
  cleanups.push(
    () => ftp.close(),
    () => smtp.close(),
    () => s3.close(),
  );
  const runtime = await provideRuntime(name);
  const flows = plantedFlow({ ftp, smtp }, s3.endpoint);
  const nodeRed = await startNodeRed({ runtime, userDir, flows });
  cleanups.push(() => nodeRed.kill());
  await nodeRed.inject("button");
  await nodeRed.waitForMessage("not-sent");
  await nodeRed.until("both given up", () => nodeRed.messages("gave-up").length === 2 || undefined);
  await nodeRed.deploy(await nodeRed.get<FlowNode[]>("/flows"));

  const told = ["delivered", "retrying", "gave-up", "sent", "not-sent"].map((id) => nodeRed.messages(id));
  const shown = flows.map(({ id }) => nodeRed.status(id));
  const exported = await nodeRed.get("/flows");
  const everything = JSON.stringify([told, shown, exported, nodeRed.log, nodeRed.comms("debug")]);
  expect(everything).toContain("gave-up");
  expect(everything).not.toContain(canary);
  expect(nodeRed.output()).not.toContain(canary);
  await nodeRed.stop();
  expect(await filesWith(userDir, canary)).toEqual(["flows_cred.json"]);
});

async function filesWith(folder: string, text: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries) {
    // The package itself is linked there; its sources hold no secret of this test.
    if (!entry.isFile() || entry.parentPath.includes("node_modules")) continue;
    const file = join(entry.parentPath, entry.name);
    if ((await readFile(file)).includes(text)) found.push(entry.name);
  }
  return found;
}
