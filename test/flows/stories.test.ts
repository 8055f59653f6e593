import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPlayground, type Playground } from "../../demo/playground";
import { readExamples } from "../support/examples";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { requireTool } from "../support/required";
import { provideRuntime } from "../support/runtimes";
import { type Sshd, sshdPath, startSshd } from "../support/sshd";
import { type Story, stories } from "./stories";

const examples = readExamples();
const withSshd = requireTool("openssh-server", sshdPath);
const patience = { timeout: 30_000 };

test("there is a story for each example", () => {
  expect(Object.keys(stories).sort()).toEqual(examples.map(({ name }) => name).sort());
});

describe.each([
  { runtimeName: "node-red-4", told: examples.filter(({ name }) => withSshd || name !== "sftp writer") },
  { runtimeName: "node-red-5", told: examples.filter(({ name }) => name.startsWith("one file to")) },
] as const)("$runtimeName", ({ runtimeName, told }) => {
  let playground: Playground;
  let sshd: Sshd | undefined;
  let nodeRed: NodeRedProcess;
  let page: Server;

  beforeAll(async () => {
    playground = await openPlayground();
    playground.ftp.hook = undefined;
    page = createServer((_, response) => response.end("a page of the web")).listen(0, "127.0.0.1");
    await once(page, "listening");
    const runtime = await provideRuntime(runtimeName);
    if (told.some(({ name }) => name === "sftp writer")) sshd = await startSshd();
    nodeRed = await startNodeRed({ runtime, flows: [], env: { ...playground.env, ...sftpEnv(sshd) } });
  }, 240_000);
  afterAll(async () => {
    await nodeRed?.stop();
    page?.close();
    await playground?.close();
    await sshd?.stop();
  });

  test.each(told)("$name", async ({ name, flow }) => {
    const { arrivals, mails = [], shown = {}, logged, presses = 1 } = stories[name] as Story;
    const mailsBefore = playground.smtp.messages.length;
    if (name === "the scheduler") refuseOneUpload(playground);
    await nodeRed.deploy(observed(flow, `http://127.0.0.1:${(page.address() as AddressInfo).port}/page.txt`));
    const delivered = () => nodeRed.messages(`delivered in ${flow[0]?.id}`);
    for (let press = 1; press <= presses; press++) {
      for (const { id, type, once: byItself } of flow) {
        if (type === "inject" && !byItself) await nodeRed.inject(id);
      }
      await expect.poll(() => delivered().length, patience).toBe((arrivals.length / presses) * press);
    }

    const debugNodes = flow.filter(({ type }) => type === "debug");
    const counts = () => debugNodes.map(({ id, name }) => [name, nodeRed.messages(id).length]);
    const expected = debugNodes.map(({ name }) => [name, shown[name as string] ?? 0]);
    await expect.poll(counts, patience).toEqual(expected);
    const received = () => playground.smtp.messages.slice(mailsBefore);
    await expect.poll(() => received().length, patience).toBe(mails.length);
    const lines = received().map(({ envelope, subject }) => `${envelope.to}: ${subject}`);
    expect(lines.sort()).toEqual(mails.map((line) => expect.stringMatching(line)));
    if (logged) await nodeRed.waitForLog(logged);

    const records = delivered().map(({ delivery }) => delivery as Arrival);
    records.sort((a, b) => (a.location < b.location ? -1 : 1));
    expect(records.map(({ location }) => location)).toEqual(
      arrivals.map(([location]) => expect.stringMatching(location)),
    );
    for (const [at, record] of records.entries())
      await expectThere({ ...playground, sshd }, record, arrivals[at]?.[1]);
    expect(nodeRed.log.filter(({ level }) => level <= 20)).toEqual([]);
  });
});

/** `msg.delivery`, as far as it is looked at. */
interface Arrival {
  location: string;
  target: string;
  bytes: number;
  sha256: string;
  url?: string;
}

/** With a debug node for everything that is delivered, and an address of the web that is on this machine. */
function observed(flow: readonly FlowNode[], url: string): FlowNode[] {
  const tab = flow[0]?.id as string;
  const probe = `delivered in ${tab}`;
  const nodes = flow.map((node) => {
    if (node.kind === "url") return { ...node, url, allowPrivateAddresses: true };
    if (!node.type.endsWith("-writer")) return node;
    const [delivered = [], failed = []] = node.wires as string[][];
    return { ...node, wires: [[...delivered, probe], failed] };
  });
  return [...nodes, { id: probe, type: "debug", z: tab, active: false, complete: "true", wires: [] }];
}

function refuseOneUpload({ ftp }: Playground): void {
  ftp.hook = (command) => {
    if (command !== "STOR") return undefined;
    ftp.hook = undefined;
    return { reply: "450 The server is busy" };
  };
}

interface Places extends Pick<Playground, "s3" | "ftp" | "bucket" | "file"> {
  sshd: Sshd | undefined;
}

async function expectThere(places: Places, record: Arrival, content: RegExp | undefined) {
  const { file } = places;
  const { target, bytes, sha256, url } = record;
  const there = await readThere(places, record);
  expect(there).toHaveLength(bytes);
  expect(createHash("sha256").update(there).digest("hex")).toBe(sha256);
  if (content) expect(there.toString()).toMatch(content);
  if (target.endsWith("price-list.csv")) expect(there.equals(await readFile(file))).toBe(true);
  if (url) expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(there)).toBe(true);
}

async function readThere({ s3, ftp, sshd, bucket }: Places, { location, target }: Arrival): Promise<Buffer> {
  const { protocol, pathname } = new URL(location);
  if (protocol === "s3:") return (await s3.read(bucket, target)) as Buffer;
  const folder = { "file:": "/", "ftp:": ftp.root, "sftp:": sshd?.root }[protocol] ?? "";
  return readFile(join(folder, pathname.replace(/^\/~/, "")));
}

function sftpEnv(sshd: Sshd | undefined): Record<string, string> {
  if (!sshd) return {};
  return {
    DEMO_SFTP_HOST: sshd.host,
    DEMO_SFTP_PORT: String(sshd.port),
    DEMO_SFTP_USER: sshd.user,
    DEMO_SFTP_PASSWORD: sshd.password,
    DEMO_SFTP_HOST_KEY: sshd.fingerprints.ed25519,
  };
}
