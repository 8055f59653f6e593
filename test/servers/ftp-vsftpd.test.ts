import { randomBytes, randomUUID } from "node:crypto";
import { chmod, chown, mkdir } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import type { DataSource } from "../../src/lib";
import {
  createFtpConnection,
  createFtpWriter,
  readFtpConnectionOptions,
  readFtpWriterOptions,
} from "../../src/lib/writers/ftp";
import { diskTarget } from "../support/disk-target";
import { requireTool } from "../support/required";
import { testSource } from "../support/sources";
import { startVsftpd, type VsftpdOptions, vsftpdPath } from "../support/vsftpd";

const available = requireTool("vsftpd", vsftpdPath);
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(
  options: VsftpdOptions = {},
  connectionOptions: Record<string, unknown> = {},
  proxied = false,
) {
  const server = await startVsftpd(options);
  cleanups.push(() => server.stop());
  const { host, port, user, password, ca } = server;
  const proxy = proxied ? await controlProxy(host, port) : undefined;
  const tls = options.tls && { security: options.tls, ca };
  const connection = createFtpConnection(
    readFtpConnectionOptions({
      host,
      port: proxy?.port ?? port,
      user,
      password,
      ...tls,
      ...connectionOptions,
    }),
  );
  cleanups.push(() => connection.close());
  const disk = diskTarget(server.root, server.owner);
  const deliver = (
    content: string | DataSource,
    target: string,
    writerOptions: Record<string, unknown> = {},
  ) => {
    const writer = createFtpWriter(connection, readFtpWriterOptions(writerOptions));
    const source = typeof content === "string" ? testSource(Buffer.from(content)) : content;
    const request = {
      deliveryId: randomUUID(),
      target,
      contentType: undefined,
      metadata: {},
      attributes: {},
    };
    return writer.write(source, request, { signal: new AbortController().signal, onProgress: () => {} });
  };
  return { server, proxy, disk, deliver };
}

describe.runIf(available).each([undefined, "explicit", "implicit"] as const)("vsftpd, TLS %s", (tls) => {
  test("an answer to STOR that never comes: looked up on a new session, delivered once", async () => {
    const { proxy, disk, deliver } = await start({ ...(tls && { tls }) }, { idleTimeoutMs: 1_000 }, true);
    await deliver("first", "a.txt");
    proxy?.muteAfterUpload();
    const bytes = randomBytes(300_000);
    const receipt = await deliver(testSource(bytes), "b.bin");
    expect(receipt).toMatchObject({ outcome: "delivered", verified: "read-back" });
    expect(receipt.notes.join()).toMatch(/lost/);
    expect((await disk.list()).sort()).toEqual(["a.txt", "b.bin"]);
    expect((await disk.read("b.bin"))?.equals(bytes)).toBe(true);
  });

  test("the control connection is cut during a long upload: unavailable, the old file stays", async () => {
    const { proxy, disk, deliver } = await start({ ...(tls && { tls }) }, {}, true);
    await deliver("old", "a.bin");
    setTimeout(() => proxy?.cut(), 200);
    const slow = testSource(randomBytes(4_000_000), { chunkBytes: 100_000, pauseMs: 50 });
    await expect(deliver(slow, "a.bin")).rejects.toMatchObject({ kind: "unavailable" });
    expect(await disk.list()).toEqual(["a.bin"]);
    expect(String(await disk.read("a.bin"))).toBe("old");
  });

  test("a wrong password: denied, in no error", async () => {
    const password = "c4nary-p+%w0&r)d";
    const { deliver } = await start({ ...(tls && { tls }) }, { password });
    const error = await deliver("x", "a.txt").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: "denied", code: "530" });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(password);
  });
});

describe.runIf(available)("vsftpd", () => {
  test("its certificate is not trusted without its authority: invalid, nothing logged in", async () => {
    const { server, deliver } = await start({ tls: "explicit" }, { ca: undefined });
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({ kind: "invalid" });
    expect(await server.log()).toContain('"AUTH TLS"');
    expect(await server.log()).not.toContain('"USER');
  });

  test("no TLS where it is required: no password is sent", async () => {
    const { server, deliver } = await start({ tls: "explicit" }, { security: "none" });
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({ retryable: false });
    expect(await server.log()).not.toContain('"PASS');
  });

  test("no TLS offered: invalid, no user is sent", async () => {
    const { server, deliver } = await start({}, { security: "explicit" });
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({ kind: "invalid", code: "530" });
    expect(await server.log()).not.toContain('"USER');
  });

  test("a session that it has closed for idleness is replaced without a word", async () => {
    const { server, disk, deliver } = await start({ settings: { idle_session_timeout: "1" } });
    await deliver("a", "a.txt");
    await sleep(2_000);
    expect((await deliver("b", "b.txt")).notes).toEqual([]);
    expect(await disk.list()).toHaveLength(2);
    expect((await server.log()).match(/"USER /g)).toHaveLength(2);
  });

  test("too many clients: throttled", async () => {
    const { deliver } = await start({ settings: { max_clients: "1" } });
    // The start's own look at the port may still take the only place.
    await expect.poll(() => deliver("a", "a.txt").then(Boolean, () => false)).toBe(true);
    const slow = deliver(testSource(Buffer.from("slow"), { chunkBytes: 1, pauseMs: 200 }), "a.txt");
    await sleep(200);
    await expect(deliver("b", "b.txt")).rejects.toMatchObject({ kind: "throttled", code: "421" });
    await slow;
  });

  test("it forbids RNFR: written under its own name, with a note; over an old file: denied", async () => {
    const { disk, deliver } = await start({ settings: { cmds_denied: "RNFR" } });
    const receipt = await deliver("new", "in/a.txt");
    expect(receipt.notes.join()).toMatch(/does not rename/);
    await expect(deliver("newer", "in/a.txt")).rejects.toMatchObject({ kind: "denied", code: "550" });
    expect(await disk.list()).toEqual(["in/a.txt"]);
    expect(String(await disk.read("in/a.txt"))).toBe("new");
  });

  test("it forbids SIZE: what arrived is read again", async () => {
    const { disk, deliver } = await start({ settings: { cmds_denied: "SIZE" } });
    expect(await deliver("new", "a.txt")).toMatchObject({ verified: "read-back", notes: [] });
    expect(await disk.list()).toEqual(["a.txt"]);
  });

  test("it forbids MKD: denied, with its reason", async () => {
    const { deliver } = await start({ settings: { cmds_denied: "MKD" } });
    await expect(deliver("new", "new/a.txt")).rejects.toMatchObject({ kind: "denied", code: "550" });
  });

  test("it forbids EPSV: PASV serves", async () => {
    const { server, disk, deliver } = await start({ settings: { cmds_denied: "EPSV" } });
    await deliver("new", "a.txt");
    expect(await disk.list()).toEqual(["a.txt"]);
    expect(await server.log()).toContain("PASV");
  });

  test("a folder without write permission: not retried, nothing there", async () => {
    const { server, disk, deliver } = await start();
    await mkdir(join(server.root, "closed"), { mode: 0o755 });
    await expect(deliver("new", "closed/a.txt")).rejects.toMatchObject({ retryable: false, code: "553" });
    expect(await disk.list()).toEqual([]);
  });

  test("a folder one can only write to", async () => {
    const { server, disk, deliver } = await start();
    const folder = join(server.root, "drop box");
    await mkdir(folder);
    await chown(folder, server.owner.uid, server.owner.gid);
    await chmod(folder, 0o333);
    expect((await deliver("new", "drop box/a.txt")).outcome).toBe("delivered");
    expect(String(await disk.read("drop box/a.txt"))).toBe("new");
    expect(await disk.list()).toEqual(["drop box/a.txt"]);
  });
});

/** Stands between client and control connection; data connections do not come through it. */
async function controlProxy(host: string, targetPort: number) {
  const pairs = new Set<[Socket, Socket]>();
  const mute = new Set<[Socket, Socket]>();
  const server = createServer((client) => {
    const target = connect(targetPort, host);
    const pair: [Socket, Socket] = [client, target];
    pairs.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        for (const each of pair) each.destroy();
        pairs.delete(pair);
      });
    }
    client.pipe(target);
    let replies = 0;
    target.on("data", (chunk: Buffer) => {
      // EPSV's reply and 150 pass; the reply after the upload does not, nor anything later.
      if (mute.has(pair)) replies++;
      if (replies <= 2) client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  cleanups.push(async () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
    server.close();
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    /** The open connections lose the server's third reply from now on, and all later ones. */
    muteAfterUpload: () => {
      for (const pair of pairs) mute.add(pair);
    },
    cut: () => {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
  };
}
