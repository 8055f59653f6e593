import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { startS3Server } from "../../demo/servers/s3";
import { startSmtpServer } from "../../demo/servers/smtp";
import { type FlowNode, startNodeRed } from "../support/node-red-process";
import { provideRuntime, runtimeNames } from "../support/runtimes";
import { type FtpFlowParts, ftpFlow } from "./ftp-flow";

const canary = "canary/5f9c+Pa%55";
const secrets = ["ftp", "smtp", "secret", "token"].map((name) => `${canary}-${name}`);
const forms = [canary, encodeURIComponent(canary), ...secrets.map((secret) => btoa(secret))];
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Wrong passwords everywhere; the last two servers are not even there. */
function plantedFlow(parts: FtpFlowParts, endpoint: string): FlowNode[] {
  const ftp = { user: "us", password: `${canary}-ftp` };
  const s3 = { accessKeyId: "us", secretAccessKey: `${canary}-secret`, sessionToken: `${canary}-token` };
  const writers = ["writer", "s3-writer", "far-ftp-writer", "far-s3-writer"];
  const flow = ftpFlow(parts).map((node) => {
    if (node.id === "source") return { ...node, wires: [writers] };
    if (node.id === "ftp") return { ...node, credentials: ftp };
    if (node.id === "smtp") return { ...node, credentials: { user: "us", password: `${canary}-smtp` } };
    return node.type === "debug" ? { ...node, active: true, console: true, tostatus: true } : node;
  });
  const writer = flow.find(({ id }) => id === "writer") as FlowNode;
  const connection = { type: "delivery-s3-connection", endpoint, pathStyle: true, credentials: s3 };
  const s3Writer = { ...writer, type: "delivery-s3-writer", bucket: "reports", link: true };
  return [
    ...flow,
    { ...connection, id: "s3" },
    { ...connection, id: "far-s3", endpoint: "http://127.0.0.1:9" },
    { ...(flow.find(({ id }) => id === "ftp") as FlowNode), id: "far-ftp", port: 9 },
    { ...s3Writer, id: "s3-writer", connection: "s3" },
    { ...s3Writer, id: "far-s3-writer", connection: "far-s3" },
    { ...writer, id: "far-ftp-writer", connection: "far-ftp" },
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
  // Some servers say what they were given.
  ftp.hook = (command, argument) => (command === "PASS" ? { reply: `530 ${argument} is wrong` } : undefined);
  smtp.hook = (command) => (command === "AUTH" ? { reply: `535 ${canary}-smtp is wrong` } : undefined);
  const policy = { preset: "custom", attempts: 2, firstDelaySeconds: 0.05, kinds: ["unavailable"] };
  const runtime = await provideRuntime(name);
  const settings = { credentialSecret: "what settings.js says" };
  const nodeRed = await startNodeRed({ runtime, userDir, flows: [], settings });
  cleanups.push(() => nodeRed.kill());
  const flows = plantedFlow({ ftp, smtp, policy }, s3.endpoint);
  await nodeRed.deploy(flows);
  await nodeRed.inject("button");
  await nodeRed.until("all given up", () => nodeRed.messages("gave-up").length === 4 || undefined, 30_000);
  await nodeRed.until("no mails", () => nodeRed.messages("not-sent").length === 4 || undefined, 30_000);
  await nodeRed.deploy(await nodeRed.get<FlowNode[]>("/flows"));

  const shown = flows.map(({ id }) => [nodeRed.status(id), nodeRed.comms(`status/${id}`)]);
  const asked = flows
    .filter(({ credentials }) => credentials)
    .map(({ id, type }) => nodeRed.get(`/credentials/${type}/${id}`));
  const places = {
    messages: ["retrying", "gave-up", "not-sent"].map((id) => nodeRed.messages(id)),
    statuses: shown,
    log: nodeRed.log,
    debug: nodeRed.comms("debug"),
    flows: await nodeRed.get("/flows"),
    credentials: await Promise.all(asked),
    output: nodeRed.output(),
  };
  await nodeRed.stop();
  expect(JSON.stringify(places.messages)).toMatch(/530 .*is wrong.*535 .*is wrong/);
  for (const [place, content] of Object.entries(places)) {
    const text = JSON.stringify(content);
    expect(text.length, place).toBeGreaterThan(200);
    for (const form of forms) expect(text, place).not.toContain(form);
  }
  expect(await filesWith(userDir, "report.txt")).toContain("deliveries.sqlite");
  for (const form of forms) expect(await filesWith(userDir, form)).toEqual([]);
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
