import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startNodeRed } from "../../demo/node-red";
import { ensureBuilt, packageRoot } from "../support/built-package";
import { freePort } from "../support/free-port";

let temporary: string;
const started: Demo[] = [];

interface Demo {
  readonly child: ChildProcess;
  output(): string;
  readonly exited: Promise<[code: number | null, signal: NodeJS.Signals | null]>;
}

beforeAll(async () => {
  await ensureBuilt();
  temporary = mkdtempSync(join(tmpdir(), "demo-test-"));
});

afterAll(() => {
  for (const { child } of started) if (child.exitCode === null) child.kill("SIGKILL");
  rmSync(temporary, { recursive: true, force: true });
});

/** In a process group of its own, as at a terminal. */
function startDemo(args: string[], cwd = packageRoot): Demo {
  const child = spawn(process.execPath, args, {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: temporary, NO_COLOR: "1" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  }
  const exited = once(child, "close") as Demo["exited"];
  const demo = { child, output: () => text, exited };
  started.push(demo);
  return demo;
}

const main = ["--import", "tsx", "demo/main.ts"];

async function runDemo(args: string[], cwd?: string): Promise<{ code: number | null; output: string }> {
  const { exited, output } = startDemo([...main, ...args], cwd);
  const [code] = await exited;
  return { code, output: output() };
}

/** What is left in the folder for temporary files; tsx keeps what it has compiled there. */
function leftovers(): string[] {
  return readdirSync(temporary).filter((name) => !name.startsWith("tsx-") && !name.startsWith("copy-"));
}

async function takePort(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

test("--once delivers everything, reads it back, gets the mails and exits with 0", async () => {
  const { code, output } = await runDemo(["--once", "--port", String(await freePort())]);
  expect(code, output).toBe(0);
  const identical =
    /✔ delivered {2}(\w+:\/\/\S+)\n\s+([\d,]+) bytes, sha256 [0-9a-f]{16}…, read back: identical/g;
  const delivered = [...output.matchAll(identical)].map(([, location = ""]) =>
    location.replace(/:\d+\//, "/"),
  );
  expect(delivered).toEqual([
    expect.stringMatching(/^s3:\/\/demo\/logs\/\d{4}\/\d\d\/\d\d\/random-\d{8}-\d{6}\.bin$/),
    expect.stringMatching(/^ftp:\/\/localhost\/incoming\/\d{4}\/\d\d\/random-\d{8}-\d{6}\.bin$/),
    expect.stringMatching(/^s3:\/\/demo\/customers\/\d{4}\/\d\d\/customers-[\d-]{10}\.csv$/),
    expect.stringMatching(/^s3:\/\/demo\/price-lists\/\d{4}\/\d\d\/price-list\.csv$/),
    "ftp://localhost/price-lists/price-list.csv",
  ]);
  const recipients = [...output.matchAll(/✉ mail {7}to (\w+)@example\.com: \S/g)].map(([, name]) => name);
  expect(recipients).toEqual(["admin", "admin", "sales", "operations", "operations", "operations", "admin"]);
  expect(output).toMatch(/its link opens the file:\n\s+http:\/\/127\.0\.0\.1:\d+\/demo\/customers\//);
  expect(output).toMatch(/↻ retried {4}try 1 failed\n.*450 The server is busy/);
  expect(output).toMatch(/✖ gave up {4}ftp:\/\/127\.0\.0\.1:9\/\S+\n\s+after 3 tries/);
  expect(output).toContain("All as it should be: 5 files delivered");
  expect(output).not.toMatch(/Warning|^\s+at /m);
  expect(leftovers()).toEqual([]);
});

test("--once exits with 1 and says why when the stories do something else", async () => {
  const copy = copyOfDemo();
  change(copy, "daily customer report", '"link": true', '"link": false');
  change(
    copy,
    "one file to s3 and ftp at once",
    '"price-lists/{{source.name}}"',
    '"elsewhere/{{source.name}}"',
  );

  const { code, output } = await runDemo(["--once", "--port", String(await freePort())], copy);
  expect(code, output).toBe(1);
  const [, reasons = ""] = output.split("Not everything went as it should:\n");
  expect(reasons, output).toContain("The mail has no link.");
  expect(reasons).toMatch(/ftp:\/\/localhost:\d+\/elsewhere\/price-list\.csv is not where it should be\./);
  expect(leftovers()).toEqual([]);
});

function copyOfDemo(): string {
  const copy = mkdtempSync(join(temporary, "copy-"));
  for (const name of ["demo", "examples", "package.json", "tsconfig.json"]) {
    cpSync(join(packageRoot, name), join(copy, name), { recursive: true });
  }
  for (const name of ["dist", "node_modules", "resources", "src"]) {
    symlinkSync(join(packageRoot, name), join(copy, name));
  }
  return copy;
}

function change(copy: string, example: string, from: string, to: string): void {
  const file = join(copy, "examples", `${example}.json`);
  const text = readFileSync(file, "utf8");
  expect(text).toContain(from);
  writeFileSync(file, text.replaceAll(from, to));
}

test("Ctrl+C ends the demo: no process and no file is left", async () => {
  const demo = startDemo(["scripts/demo.mjs", "--port", String(await freePort())]);
  await waitUntil(() => demo.output().includes("Ctrl+C ends the demo"), 60_000);
  const url = /Now it is yours: (\S+)/.exec(demo.output())?.[1];
  const flows = (await (await fetch(`${url}/flows`)).json()) as Record<string, string>[];
  expect(flows.flatMap(({ label }) => label ?? [])).toEqual([
    "the scheduler",
    "daily customer report",
    "one file to s3 and ftp at once",
  ]);
  const served = [
    "resources/@data-distribution/node-red/dialog.js",
    "icons/@data-distribution/node-red/s3-writer.svg",
    "library/examples/flows/@data-distribution/node-red/the scheduler",
  ];
  for (const path of served) expect((await fetch(`${url}/${path}`)).status, path).toBe(200);
  const group = demo.child.pid as number;
  expect(processesOf(group).join("\n")).toMatch(/child\.cjs/);

  // Whoever plays sees what becomes of it, too.
  const button = flows.find(({ name }) => name === "send it now");
  await fetch(`${url}/inject/${button?.id}`, { method: "POST" });
  const own =
    /appears here:[\s\S]*✔ delivered {2}s3:.*\n.*read back: identical\n[\s\S]*✉ mail {7}to operations@/;
  await waitUntil(() => own.test(demo.output()), 30_000);

  process.kill(-group, "SIGINT");
  expect(await demo.exited).toEqual([0, null]);
  expect(processesOf(group)).toEqual([]);
  expect(demo.output()).toMatch(/nothing of it is left\.\n$/);
  expect(existsSync(join(packageRoot, ".cache/demo"))).toBe(false);
  expect(leftovers()).toEqual([]);
});

test("after a kill -9 what waited for its retry arrives, once, and the demo says so", async () => {
  const copy = copyOfDemo();
  const scheduler = "the scheduler";
  change(copy, scheduler, '"preset": "three-quick-tries"', '"preset": "custom"');
  change(copy, scheduler, '"firstDelaySeconds": "30"', '"firstDelaySeconds": "20"');
  const content = join(copy, ".cache/demo/content");
  const uploads = () => filesBelow(join(content, "ftp/incoming"));

  const first = startDemo([...main, "--port", String(await freePort())], copy);
  await waitUntil(() => first.output().includes("✔ delivered  s3://"), 60_000);
  const earlierPlace = /✔ delivered {2}s3:\/\/demo\/(\S+)/.exec(first.output())?.[1] ?? "";
  const url = /editor {2}(\S+)/.exec(first.output())?.[1];
  await waitUntil(async () => (await deliveriesOf(url, "waiting")).some(isForFtp), 60_000);
  const [waiting] = (await deliveriesOf(url, "waiting")).filter(isForFtp);
  // Only the demo: what it has started must end by itself.
  process.kill(first.child.pid as number, "SIGKILL");
  await first.exited;
  await waitUntil(() => processesOf(first.child.pid as number).length === 0, 30_000);
  expect(uploads()).toEqual([]);
  expect(statSync(join(copy, ".cache/demo")).mode & 0o777).toBe(0o700);

  const second = startDemo([...main, "--port", String(await freePort())], copy);
  const goesOn = /It goes on:\n(?: {2}.+\n)*? {2}ftp:\/\/localhost:\d+\/(incoming\/\S+)\n/;
  await waitUntil(() => goesOn.test(second.output()), 60_000);
  const place = goesOn.exec(second.output())?.[1] ?? "";
  const arrived = new RegExp(`450 [^]*✔ delivered  ftp://localhost:\\d+/${place}\n.*read back: identical\n`);
  await waitUntil(() => arrived.test(second.output()), 90_000);
  expect(uploads()).toEqual([join(content, "ftp", place)]);
  const { s3 } = JSON.parse(readFileSync(join(content, "ports.json"), "utf8")) as { s3: number };
  const credentials = { accessKeyId: "DEMOACCESSKEY", secretAccessKey: "demo-secret-key" };
  const endpoint = `http://127.0.0.1:${s3}`;
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket: "demo", Key: earlierPlace }));
  client.destroy();
  expect(ContentLength, "what was on S3 before").toBe(65_536);
  const secondUrl = /editor {2}(\S+)/.exec(second.output())?.[1];
  const delivered = (await deliveriesOf(secondUrl, "delivered")).filter(isForFtp);
  expect(delivered).toMatchObject([{ id: waiting?.id, attempts: [{ n: 1 }, { n: 2 }] }]);

  // A third one does not touch what the second one uses.
  const third = startDemo([...main, "--port", String(await freePort())], copy);
  await waitUntil(() => third.output().includes("Another demo is running"), 60_000);
  for (const { child } of [third, second]) child.kill("SIGINT");
  expect(await Promise.all([second.exited, third.exited])).toEqual([
    [0, null],
    [0, null],
  ]);
  expect(readdirSync(join(copy, ".cache"))).toEqual([]);
  expect(leftovers()).toEqual([]);
});

interface Listed {
  id: string;
  location: string;
  attempts: object[];
}

async function deliveriesOf(url: string | undefined, state: string): Promise<Listed[]> {
  const answer = await fetch(`${url}/delivery-store/deliveries?state=${state}`);
  return ((await answer.json()) as { deliveries: Listed[] }).deliveries;
}

function isForFtp({ location }: Listed): boolean {
  return location.startsWith("ftp://localhost");
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? join(entry.parentPath, entry.name) : []));
}

test("a SIGTERM in the middle of --once ends it with 1", async () => {
  const demo = startDemo(["scripts/demo.mjs", "--once", "--port", String(await freePort())]);
  await waitUntil(() => demo.output().includes("✔ delivered"), 60_000);
  demo.child.kill("SIGTERM");
  expect(await demo.exited).toEqual([1, null]);
  expect(demo.output()).toContain("ended before everything was shown");
  expect(processesOf(demo.child.pid as number)).toEqual([]);
  expect(leftovers()).toEqual([]);
});

test("a port that is in use is refused by name, and passed over when any will do", async () => {
  const { server, port } = await takePort();
  const { code, output } = await runDemo(["--once", "--port", String(port)]);
  expect(code).toBe(1);
  expect(output).toMatch(new RegExp(`\nPort ${port} is in use\\. Choose another one with --port\\.\n$`));

  const folder = mkdtempSync(join(temporary, "copy-"));
  const { signal } = new AbortController();
  const nodeRed = await startNodeRed({ folder, flows: [], port, anyPort: true, env: {}, signal });
  server.close();
  expect(nodeRed.port).toBeGreaterThan(port);
  expect((await fetch(nodeRed.url)).status).toBe(200);
  await nodeRed.stop();
});

test.each([
  [["--twice"], 'The demo does not know "--twice".'],
  [["--port"], "--port needs a number from 1 to 65535."],
  [["--port", "0"], '--port needs a number from 1 to 65535, not "0".'],
  [["--port=70000"], '--port needs a number from 1 to 65535, not "70000".'],
])("%j is refused with a sentence", async (args, sentence) => {
  const { code, output } = await runDemo(args);
  expect(code).toBe(1);
  expect(output).toContain(sentence);
  expect(output).not.toMatch(/^\s+at /m);
});

async function waitUntil(found: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await found())) {
    if (performance.now() > deadlineMs) {
      throw new Error(`It did not happen: ${found}\n${started.at(-1)?.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Their command lines. */
function processesOf(group: number): string[] {
  const lines = execFileSync("ps", ["-eo", "pgid=,stat=,args="], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => new RegExp(`^\\s*${group}\\s+[^Z]`).test(line));
}
