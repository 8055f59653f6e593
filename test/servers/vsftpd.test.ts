import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Client } from "basic-ftp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diskTarget } from "../support/disk-target";
import { requireTool } from "../support/required";
import { startVsftpd, type Vsftpd, vsftpdPath } from "../support/vsftpd";

const available = requireTool("vsftpd", vsftpdPath);

const servers: Vsftpd[] = [];
const clients: Client[] = [];

afterAll(async () => {
  for (const client of clients) client.close();
  await Promise.all(servers.map((server) => server.stop()));
});

async function start(tls?: "explicit" | "implicit"): Promise<Vsftpd> {
  const server = await startVsftpd(tls ? { tls } : {});
  servers.push(server);
  return server;
}

async function connect(server: Vsftpd, secure: boolean | "implicit", password = server.password) {
  const client = new Client(10_000);
  clients.push(client);
  const { host, port, user, ca } = server;
  await client.access({
    host,
    port,
    user,
    password,
    secure,
    secureOptions: { ca, servername: "localhost" },
  });
  return client;
}

// Before a writer is tried against vsftpd: the server itself is what the tests take it for.
describe.runIf(available).each([
  ["plain", undefined, false],
  ["explicit", "explicit", true],
  ["implicit", "implicit", "implicit"],
] as const)("vsftpd, %s", (_title, tls, secure) => {
  let server: Vsftpd;

  beforeAll(async () => {
    server = await start(tls);
  }, 30_000);

  test("moves files and folders", async () => {
    const client = await connect(server, secure);
    const bytes = randomBytes(1_000_000);
    await client.ensureDir("/a/ünï 名");
    await client.uploadFrom(Readable.from([bytes]), "up.bin");
    await client.rename("up.bin", "moved.bin");
    expect(await client.size("moved.bin")).toBe(bytes.length);
    expect((await readFile(join(server.root, "a/ünï 名/moved.bin"))).equals(bytes)).toBe(true);
    expect((await client.list()).map(({ name }) => name)).toEqual(["moved.bin"]);
  });

  test("lets the user replace what the test put there", async () => {
    const disk = diskTarget(server.root, server.owner);
    await disk.put("deep/er/old.txt", Buffer.from("old"));
    const client = await connect(server, secure);
    await client.uploadFrom(Readable.from(["new"]), "deep/er/new.txt");
    await client.rename("deep/er/new.txt", "deep/er/old.txt");
    expect(String(await disk.read("deep/er/old.txt"))).toBe("new");
    expect(await disk.list()).toContain("deep/er/old.txt");
  });

  test("refuses a wrong password", { timeout: 20_000 }, async () => {
    await expect(connect(server, secure, "wrong")).rejects.toMatchObject({ code: 530 });
  });
});

test.runIf(available).each([
  ["explicit", true],
  ["implicit", "implicit"],
] as const)("vsftpd, %s, refuses data without the TLS session resumed", async (tls, secure) => {
  const client = await connect(await start(tls), secure);
  Object.defineProperties(client.ftp, { tlsSessionStore: { get: () => undefined, set() {} } });
  Object.defineProperty(client.ftp.socket, "getSession", { value: () => undefined });
  await expect(client.uploadFrom(Readable.from([randomBytes(1000)]), "x")).rejects.toThrow();
});
