import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable, Writable } from "node:stream";
import { Client } from "basic-ftp";
import { afterEach, expect, test } from "vitest";
import { type FtpServer, type FtpServerOptions, startFtpServer } from "../../../demo/servers/ftp";

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options?: FtpServerOptions): Promise<FtpServer> {
  const server = await startFtpServer(options);
  cleanups.push(() => server.close());
  return server;
}

async function connect(server: FtpServer, password = server.password): Promise<Client> {
  const client = new Client(5_000);
  cleanups.push(() => client.close());
  await client.access({ host: server.host, port: server.port, user: server.user, password });
  return client;
}

async function download(client: Client, name: string, start = 0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  await client.downloadTo(sink, name, start);
  return Buffer.concat(chunks);
}

/** Sends one command and returns the reply code, also of a refusal. */
async function code(client: Client, command: string): Promise<number> {
  return (await client.sendIgnoringError(command)).code;
}

test("stores, lists, measures, gives back, renames and deletes", async () => {
  const server = await start();
  const client = await connect(server);
  const bytes = randomBytes(1_000_000);
  await client.uploadFrom(Readable.from([bytes]), "a file.bin");
  expect((await readFile(join(server.root, "a file.bin"))).equals(bytes)).toBe(true);
  expect(await client.size("a file.bin")).toBe(bytes.length);
  expect((await client.list()).map(({ name, size, isFile }) => [name, size, isFile])).toEqual([
    ["a file.bin", bytes.length, true],
  ]);
  expect((await download(client, "a file.bin")).equals(bytes)).toBe(true);
  const age = Date.now() - (await client.lastMod("a file.bin")).getTime();
  expect(Math.abs(age)).toBeLessThan(10_000);
  await client.rename("a file.bin", "ünï 名.bin");
  expect(await readdir(server.root)).toEqual(["ünï 名.bin"]);
  await client.remove("ünï 名.bin");
  expect(await readdir(server.root)).toEqual([]);
});

test("stores an empty file, and 300 small ones over one session", async () => {
  const server = await start();
  const client = await connect(server);
  await client.uploadFrom(Readable.from([]), "empty");
  expect(await client.size("empty")).toBe(0);
  for (let n = 0; n < 300; n++) await client.uploadFrom(Readable.from([`file ${n}`]), `f${n}`);
  expect((await readdir(server.root)).length).toBe(301);
  expect(await readFile(join(server.root, "f299"), "utf8")).toBe("file 299");
});

test("resumes both ways: REST and APPE", async () => {
  const server = await start();
  const client = await connect(server);
  await writeFile(join(server.root, "half"), "0123");
  await client.appendFrom(Readable.from(["456789"]), "half");
  expect((await download(client, "half", 7)).toString()).toBe("789");
  await client.send("REST 2");
  await client.uploadFrom(Readable.from(["XY"]), "half");
  expect(await readFile(join(server.root, "half"), "utf8")).toBe("01XY456789");
});

test("makes, walks and removes folders; quotes are doubled in the reply", async () => {
  const server = await start();
  const client = await connect(server);
  await client.ensureDir('one/two "quoted"');
  expect((await client.send("PWD")).message).toBe('257 "/one/two ""quoted"""');
  await client.cdup();
  expect(await client.pwd()).toBe("/one");
  await client.cd("/");
  await mkdir(join(server.root, "list"));
  await writeFile(join(server.root, "list", "x"), "");
  expect((await client.list("list")).map(({ name }) => name)).toEqual(["x"]);
  await client.removeDir("one");
  expect(await readdir(server.root)).toEqual(["list"]);
});

test("old listings work too: LIST and NLST", async () => {
  const server = await start();
  await writeFile(join(server.root, "seen.txt"), "12345");
  const client = await connect(server);
  client.availableListCommands = ["LIST -a"];
  const [entry] = await client.list();
  expect(entry).toMatchObject({ name: "seen.txt", size: 5, isFile: true });
});

test("answers with the codes of the standards", async () => {
  const server = await start();
  const client = await connect(server);
  await mkdir(join(server.root, "folder"));
  await writeFile(join(server.root, "file"), "12345");
  const replies: Record<string, number> = {
    SYST: 215,
    NOOP: 200,
    "TYPE I": 200,
    "TYPE E": 504,
    "OPTS UTF8 ON": 200,
    "OPTS NONSENSE": 501,
    "SIZE file": 213,
    "SIZE folder": 550,
    "SIZE nothing": 550,
    "MDTM file": 213,
    "MLST file": 250,
    "MLST nothing": 550,
    "CWD nothing": 550,
    "CWD file": 550,
    "MKD folder": 550,
    "MKD nothing/folder": 550,
    "DELE nothing": 550,
    "RMD nothing": 550,
    "RNTO early": 503,
    "RNFR nothing": 550,
    "STOR early": 425,
    ABOR: 226,
    "PORT 127,0,0,1,4,1": 502,
    "AUTH TLS": 502,
    NONSENSE: 502,
    "REST x": 501,
  };
  const seen: Record<string, number> = {};
  for (const command of Object.keys(replies)) seen[command] = await code(client, command);
  expect(seen).toEqual(replies);
});

// RNTO has no 550 in RFC 959.
test.each([
  ["into a missing folder", "missing/name", 550],
  ["onto a folder", "folder", 553],
  ["below a file", "file/name", 553],
  ["with a name too long", "x".repeat(256), 553],
])("refuses to store or rename %s", async (_title, name, expected) => {
  const server = await start();
  const client = await connect(server);
  await mkdir(join(server.root, "folder"));
  await writeFile(join(server.root, "file"), "12345");
  await expect(client.uploadFrom(Readable.from(["x"]), name)).rejects.toMatchObject({ code: expected });
  await writeFile(join(server.root, "other"), "");
  await expect(client.rename("other", name)).rejects.toMatchObject({ code: 553 });
});

test("nothing leads out of the root", async () => {
  const server = await start();
  await symlink(tmpdir(), join(server.root, "outside"));
  await symlink(join(tmpdir(), "dangling-target"), join(server.root, "dangling"));
  const client = await connect(server);
  await client.uploadFrom(Readable.from(["x"]), "../../../../up.txt");
  expect(await readFile(join(server.root, "up.txt"), "utf8")).toBe("x");
  for (const name of ["outside/x.txt", "dangling"]) {
    await expect(client.uploadFrom(Readable.from(["x"]), name)).rejects.toMatchObject({ code: 550 });
  }
  expect(await code(client, "CWD outside")).toBe(550);
});

test("lets in only the one user, and cuts off after three wrong passwords", async () => {
  const server = await start({ user: "us@r", password: "p+%w0&r)d pass*+=:" });
  await connect(server);
  await expect(connect(server, "wrong")).rejects.toMatchObject({ code: 530 });
  const client = new Client(5_000);
  cleanups.push(() => client.close());
  await client.connect(server.host, server.port);
  expect(await code(client, "PWD")).toBe(530);
  const codes: number[] = [];
  for (let n = 0; n < 3; n++) {
    await client.send("USER us@r");
    codes.push(await code(client, "PASS wrong"));
  }
  expect(codes).toEqual([530, 530, 421]);
  expect(server.commands.join("\n")).not.toContain("wrong");
});

test("listens on IPv6", async () => {
  const server = await start({ host: "::1" });
  const client = await connect(server);
  await client.uploadFrom(Readable.from(["six"]), "six.txt");
  expect(await readFile(join(server.root, "six.txt"), "utf8")).toBe("six");
});

test("injects replies, also at the connection", async () => {
  const server = await start({
    hook: (command) => (command === "STOR" ? { reply: "452 Full." } : undefined),
  });
  const client = await connect(server);
  await expect(client.uploadFrom(Readable.from(["x"]), "x")).rejects.toMatchObject({ code: 452 });
  server.hook = (command) => (command === "CONNECT" ? { reply: "421 Too many." } : undefined);
  await expect(connect(server)).rejects.toMatchObject({ code: 421 });
  server.hook = undefined;
  await connect(server);
});

test("injects lost replies: the work is done or not", async () => {
  const server = await start();
  const client = await connect(server);
  server.hook = (command) => (command === "STOR" ? { drop: "after" } : undefined);
  await expect(client.uploadFrom(Readable.from(["done"]), "done")).rejects.toThrow();
  expect(await readFile(join(server.root, "done"), "utf8")).toBe("done");
  const second = await connect(server);
  server.hook = (command) => (command === "RNTO" ? { drop: "before" } : undefined);
  await expect(second.rename("done", "renamed")).rejects.toThrow();
  expect(await readdir(server.root)).toEqual(["done"]);
});

test.each([
  ["keeps too little and says 226", { keepBytes: 300_000 }, undefined, 300_000],
  ["closes the data connection", { closeDataAfterBytes: 300_000 }, 426, 300_000],
  ["says 426 after the last byte", { lastReply: "426 Lost." }, 426, 1_000_000],
])("injects transfers that break: %s", async (_title, injection, expected, kept) => {
  const server = await start({ hook: (command) => (command === "STOR" ? injection : undefined) });
  const client = await connect(server);
  const upload = client.uploadFrom(Readable.from([randomBytes(1_000_000)]), "x").then(
    () => undefined,
    (error) => error.code,
  );
  const result = await upload;
  // A client that sees the reset before the reply reports that.
  expect([expected, expected && "ECONNRESET", expected && "EPIPE"]).toContain(result);
  expect((await readFile(join(server.root, "x"))).length).toBe(kept);
});

test("injects delays and stalls, and closes in spite of them", async () => {
  const server = await startFtpServer();
  const client = await connect(server);
  server.hook = (command) => (command === "NOOP" ? { delayMs: 80, lastReplyDelayMs: 80 } : undefined);
  const before = Date.now();
  await client.send("NOOP");
  expect(Date.now() - before).toBeGreaterThan(150);
  server.hook = (command) => (command === "STOR" ? { stallAfterBytes: 1000 } : undefined);
  const upload = client.uploadFrom(Readable.from([randomBytes(5_000_000)]), "stalled");
  const failed = expect(upload).rejects.toThrow();
  await expect.poll(() => server.commands.at(-1)).toBe("STOR stalled");
  expect(server.sessions.size).toBe(1);
  await server.close();
  await failed;
  expect(server.sessions.size).toBe(0);
});

test("ABOR ends a transfer under way", async () => {
  const server = await start({
    hook: (command) => (command === "STOR" ? { stallAfterBytes: 1000 } : undefined),
  });
  // By hand: basic-ftp ends its session itself when a data connection breaks.
  const control = connectTcp(server.port, server.host);
  cleanups.push(() => void control.destroy());
  const lines: string[] = [];
  createInterface(control).on("line", (line) => lines.push(line));
  const send = async (command: string, replyCode: string) => {
    control.write(`${command}\r\n`, "latin1");
    await expect.poll(() => lines.at(-1)?.slice(0, 3)).toBe(replyCode);
  };
  await send(`USER ${server.user}`, "331");
  await send(`PASS ${server.password}`, "230");
  await send("EPSV", "229");
  const data = connectTcp(Number(/\|(\d+)\|/.exec(lines.at(-1) ?? "")?.[1]), server.host);
  data.on("error", () => {}).write(randomBytes(5000));
  await send("STOR x", "150");
  await send("\xff\xf4\xff\xf2ABOR", "226");
  expect(lines.at(-2)).toMatch(/^426/);
  await send("NOOP", "200");
});

test("twenty sessions at once", async () => {
  const server = await start();
  const bytes = randomBytes(200_000);
  await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const client = await connect(server);
      await client.uploadFrom(Readable.from([bytes]), `f${n}`);
    }),
  );
  for (let n = 0; n < 20; n++) {
    expect((await readFile(join(server.root, `f${n}`))).equals(bytes)).toBe(true);
  }
  expect(server.sessions.size).toBe(20);
});
