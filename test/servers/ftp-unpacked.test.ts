import { randomBytes, randomUUID } from "node:crypto";
import { connect as connectTo, createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import {
  createFtpConnection,
  createFtpWriter,
  readFtpConnectionOptions,
  readFtpWriterOptions,
} from "../../src/lib/writers/ftp";
import { diskTarget } from "../support/disk-target";
import { requireTool } from "../support/required";
import { testSource } from "../support/sources";
import {
  proftpdPackages,
  pureFtpdPackages,
  startProftpd,
  startPureFtpd,
  type UnpackedFtpd,
} from "../support/unpacked-ftpd";
import { requirePackages } from "../support/unpacked-package";
import { startVsftpd, vsftpdPath } from "../support/vsftpd";

const hasProftpd = requirePackages(...proftpdPackages);
const hasPureFtpd = requirePackages(...pureFtpdPackages);
const hasVsftpd = requireTool("vsftpd", vsftpdPath);

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Server = Pick<UnpackedFtpd, "host" | "port" | "user" | "password" | "ca" | "root" | "owner" | "stop">;

async function use(starting: Promise<Server>, settings: Record<string, unknown> = {}) {
  const server = await starting;
  cleanups.push(server.stop);
  const { host, port, user, password, ca } = server;
  const deliver = async (bytes: Buffer, target: string, options: Record<string, unknown> = {}) => {
    const { deliveryId = randomUUID(), begun = 1, through = port, ...writer } = options;
    const connection = createFtpConnection(
      readFtpConnectionOptions({ host, port: through, user, password, root: "", ca, ...settings }),
    );
    const request = {
      deliveryId: String(deliveryId),
      target,
      contentType: undefined,
      metadata: {},
      attributes: {},
      begun: Number(begun),
    };
    const context = { signal: new AbortController().signal, onProgress: () => {} };
    const source = testSource(bytes, options.through ? { stallAfterBytes: bytes.length / 2 } : {});
    try {
      return await createFtpWriter(connection, readFtpWriterOptions(writer)).write(source, request, context);
    } finally {
      await connection.close();
    }
  };
  return { server, disk: diskTarget(server.root, server.owner), deliver };
}

/** The servers, and how their sessions are secured. */
const resumers: [string, boolean, () => Promise<Server>, Record<string, unknown>][] = [
  ["vsftpd over TLS", hasVsftpd, () => startVsftpd({ tls: "explicit" }), { security: "explicit" }],
  ["ProFTPD with mod_digest", hasProftpd, () => startProftpd({ digests: true }), {}],
  ["ProFTPD over TLS", hasProftpd, () => startProftpd({ tls: true }), { security: "explicit" }],
  ["Pure-FTPd", hasPureFtpd, () => startPureFtpd(), {}],
];

for (const [name, present, start, settings] of resumers) {
  test.runIf(present)(`${name}: an upload that was cut goes on where it was`, async () => {
    const { server, disk, deliver } = await use(start(), settings);
    const bytes = randomBytes(32 * 1024 * 1024);
    const deliveryId = randomUUID();
    const proxy = await cuttingControlProxy(server.port);
    const cutting = deliver(bytes, "a.bin", { deliveryId, through: proxy.port });
    await expect.poll(() => sizeOfPart(disk), { timeout: 20_000 }).toBeGreaterThan(10_000_000);
    proxy.cut();
    await expect(cutting).rejects.toMatchObject({ kind: "unavailable" });
    const receipt = await deliver(bytes, "a.bin", { deliveryId, begun: 2 });
    expect(receipt.notes.join()).toMatch(/were at the server already/);
    const hashes = name.includes("mod_digest");
    expect(receipt.verified).toBe(hashes ? "checksum" : "read-back");
    expect(await disk.list()).toEqual(["a.bin"]);
    expect((await disk.read("a.bin"))?.equals(bytes)).toBe(true);
    for (const small of [Buffer.alloc(0), randomBytes(10)]) {
      const { verified, notes } = await deliver(small, "ünï 1 a.bin");
      expect({ verified, notes }).toEqual({ verified: hashes ? "checksum" : "read-back", notes: [] });
      expect((await disk.read("ünï 1 a.bin"))?.equals(small)).toBe(true);
    }
  });
}

async function sizeOfPart(disk: ReturnType<typeof diskTarget>): Promise<number> {
  const part = (await disk.list()).find((name) => name.endsWith(".part"));
  return part === undefined ? 0 : ((await disk.read(part))?.length ?? 0);
}

/** Stands between client and control connection. */
async function cuttingControlProxy(targetPort: number) {
  const sockets = new Set<Socket>();
  let first = true;
  const server = createServer((client) => {
    const target = connectTo(targetPort, "127.0.0.1");
    // Who comes later, to clean up, gets through.
    if (first) for (const socket of [client, target]) sockets.add(socket);
    first = false;
    for (const socket of [client, target]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        target.destroy();
      });
    }
    client.pipe(target);
    target.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
