import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { TLSSocket } from "node:tls";
import { Client } from "basic-ftp";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { type FtpServer, type FtpTlsOptions, startFtpServer } from "../../../demo/servers/ftp";
import {
  type CertificatePair,
  createAuthority,
  selfSignedCertificate,
  type TestAuthority,
} from "../../support/certificates";

let authority: TestAuthority;
let certificate: CertificatePair;
const cleanups: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  certificate = await authority.issue();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(tls: Partial<FtpTlsOptions> = {}): Promise<FtpServer> {
  const server = await startFtpServer({ tls: { ...certificate, mode: "explicit", ...tls } });
  cleanups.push(() => server.close());
  return server;
}

async function connect(server: FtpServer, mode: "explicit" | "implicit" = "explicit", ca = authority.ca) {
  const client = new Client(5_000);
  cleanups.push(() => client.close());
  await client.access({
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    secure: mode === "explicit" ? true : "implicit",
    secureOptions: { ca, servername: "localhost" },
  });
  return client;
}

describe.each(["explicit", "implicit"] as const)("%s", (mode) => {
  describe.each(["TLSv1.2", "TLSv1.3"] as const)("%s", (maxVersion) => {
    test("moves files, with the session resumed as it must be", async () => {
      const server = await start({ mode, maxVersion, requireSessionReuse: true });
      const client = await connect(server, mode);
      expect((client.ftp.socket as TLSSocket).getProtocol()).toBe(maxVersion);
      const bytes = randomBytes(1_000_000);
      await client.uploadFrom(Readable.from([bytes]), "a.bin");
      expect((await readFile(join(server.root, "a.bin"))).equals(bytes)).toBe(true);
      for (let n = 0; n < 10; n++) await client.uploadFrom(Readable.from([`${n}`]), `f${n}`);
      expect((await client.list()).length).toBe(11);
      await client.downloadTo(join(server.root, "copy.bin"), "a.bin");
      expect((await readFile(join(server.root, "copy.bin"))).equals(bytes)).toBe(true);
    });

    test("takes an empty file from a client that ends after the handshake", async () => {
      const server = await start({ mode, maxVersion, requireSessionReuse: true });
      const client = await connect(server, mode);
      await client.uploadFrom(emptyAfterHandshake(client), "empty");
      expect(await client.size("empty")).toBe(0);
    });
  });
});

/** A client that ends its data socket before the handshake is through ends the handshake (Node.js). */
function emptyAfterHandshake(client: Client): Readable {
  let asked = false;
  return new Readable({
    read() {
      if (asked) return;
      asked = true;
      const timer = setInterval(() => {
        const socket = client.ftp.dataSocket as (TLSSocket & { secureConnecting?: boolean }) | undefined;
        if (socket?.secureConnecting !== false) return;
        clearInterval(timer);
        this.push(null);
      }, 5);
    },
  });
}

test("refuses a data connection that does not resume the session", async () => {
  const server = await start({ requireSessionReuse: true });
  const client = await connect(server);
  Object.defineProperties(client.ftp, { tlsSessionStore: { get: () => undefined, set() {} } });
  Object.defineProperty(client.ftp.socket, "getSession", { value: () => undefined });
  await expect(client.uploadFrom(Readable.from(["x"]), "x")).rejects.toMatchObject({ code: 522 });
});

test("wants TLS before the user, and PROT P before data", async () => {
  const server = await start();
  const plain = new Client(5_000);
  cleanups.push(() => plain.close());
  const access = { host: server.host, port: server.port, user: server.user, password: server.password };
  await expect(plain.access(access)).rejects.toMatchObject({ code: 530 });
  const client = await connect(server);
  await client.send("PROT C");
  await client.send("EPSV");
  expect((await client.sendIgnoringError("STOR x")).code).toBe(522);
});

test("throws away what came in the clear after AUTH", async () => {
  const server = await start();
  const control = connectTcp(server.port, server.host);
  cleanups.push(() => void control.destroy());
  const lines: string[] = [];
  createInterface(control).on("line", (line) => lines.push(line));
  control.on("error", () => {}).write("AUTH TLS\r\nUSER injected\r\n");
  await expect.poll(() => lines.length).toBe(2);
  expect(lines[1]).toMatch(/^234/);
  expect(server.commands).toEqual(["AUTH TLS"]);
});

test.each([
  ["expired", async () => authority.issue({ notAfter: new Date(Date.now() - 1000) }), "CERT_HAS_EXPIRED"],
  ["of another host", async () => authority.issue({ hosts: ["x.example"] }), "ERR_TLS_CERT_ALTNAME_INVALID"],
  ["self-signed", async () => selfSignedCertificate(), "DEPTH_ZERO_SELF_SIGNED_CERT"],
])("serves a certificate that is %s, and clients notice", async (_title, issue, code) => {
  const server = await start(await issue());
  await expect(connect(server)).rejects.toMatchObject({ code });
  expect(server.commands.filter((command) => command.startsWith("USER"))).toEqual([]);
});

test("survives a client that speaks no TLS", async () => {
  const server = await start({ mode: "implicit" });
  const control = connectTcp(server.port, server.host);
  control.on("error", () => {}).write("USER demo\r\n");
  await new Promise((resolve) => control.once("close", resolve));
  await expect.poll(() => server.sessions.size).toBe(0);
  await connect(server, "implicit");
});
