import { createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import {
  createFtpConnection,
  createFtpWriter,
  readFtpConnectionOptions,
  readFtpWriterOptions,
} from "../../../src/lib";
import { testSource } from "../../support/sources";
import { filesOf, ftpBench, on } from "./ftp-bench";

describe("reaching the server", () => {
  test("nothing listens: unavailable, with host and port", async () => {
    const bench = await ftpBench();
    const { port } = bench.server;
    await bench.server.close();
    const error = await bench.fail("a", "a.txt");
    expect(error).toMatchObject({ kind: "unavailable", code: "ECONNREFUSED" });
    expect(error.message).toContain(`127.0.0.1:${port}`);
  });

  test("an unknown host: unavailable", async () => {
    const connection = createFtpConnection(readFtpConnectionOptions({ host: "no-such-host.invalid" }));
    const writer = createFtpWriter(connection, readFtpWriterOptions({}));
    const request = { deliveryId: "d", target: "a", contentType: undefined, metadata: {}, attributes: {} };
    const context = { signal: new AbortController().signal, onProgress: () => {} };
    await expect(writer.write(testSource(Buffer.from("a")), request, context)).rejects.toMatchObject({
      kind: "unavailable",
      code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/),
    });
  });

  test("the port is shown only when it is not the usual one", () => {
    const locate = (options: object) =>
      createFtpWriter(
        createFtpConnection(readFtpConnectionOptions(options)),
        readFtpWriterOptions({}),
      ).locate("/a b/ü.txt");
    expect(locate({ host: "h", user: "bob" })).toBe("ftp://h/a b/ü.txt");
    expect(locate({ host: "h", port: 2121, root: "/in/" })).toBe("ftp://h:2121/in/a b/ü.txt");
    expect(locate({ host: "::1", port: 2121 })).toBe("ftp://[::1]:2121/a b/ü.txt");
    expect(locate({ host: "h", security: "implicit" })).toBe("ftp://h/a b/ü.txt");
    expect(locate({ host: "h", security: "implicit", port: 21 })).toBe("ftp://h:21/a b/ü.txt");
  });

  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === "::1"),
  );
  if (!hasIpv6) process.stderr.write("NOT RUN: ftp over IPv6: this machine has no ::1\n");
  if (!hasIpv6 && process.env.CI) throw new Error("CI needs IPv6 on the loopback interface.");
  test.runIf(hasIpv6)("over IPv6", async () => {
    const bench = await ftpBench({ server: { host: "::1" } });
    const receipt = await bench.deliver("six", "a.txt");
    expect(receipt.location).toBe(`ftp://[::1]:${bench.server.port}/a.txt`);
    expect(await filesOf(bench)).toEqual({ "a.txt": "six" });
  });
});

describe("data connections", () => {
  test.each([
    "500 EPSV not understood.",
    "502 No.",
    "522 Network protocol not supported.",
    "229 Nonsense",
    "200 Yes?",
  ])("EPSV is answered with %s: PASV then, and from then on", async (reply) => {
    const bench = await ftpBench();
    bench.server.hook = on("EPSV", { reply });
    await bench.deliver("a", "a.txt");
    await bench.deliver("b", "b.txt");
    const asked = bench.commands().filter((command) => /^(EPSV|PASV)/.test(command));
    expect(asked.slice(0, 2)).toEqual(["EPSV", "PASV"]);
    expect(new Set(asked.slice(1))).toEqual(new Set(["PASV"]));
  });

  test("PASV names another host: refused, and nothing goes there", async () => {
    const bench = await ftpBench();
    bench.server.hook = (command) => {
      if (command === "EPSV") return { reply: "500 No." };
      return command === "PASV" ? { reply: "227 Entering Passive Mode (192,0,2,1,10,1)." } : undefined;
    };
    const error = await bench.fail("a", "a.txt");
    expect(error).toMatchObject({ kind: "invalid", code: "227" });
    expect(error.message).toMatch(/192\.0\.2\.1.*announced/);
    expect(bench.server.commands.join()).not.toContain("STOR");
  });

  test("PASV names another host, and that is allowed: it goes there", async () => {
    const bench = await ftpBench({ connection: { passiveAddress: "announced" } });
    const elsewhere = await catcher("127.0.0.1");
    bench.server.hook = (command) => {
      if (command === "EPSV") return { reply: "500 No." };
      // Loopback addresses all mean this machine; the port shows where the connection went.
      const reply = `227 Entering Passive Mode (127,0,0,9,${elsewhere.port >> 8},${elsewhere.port & 255}).`;
      return command === "PASV" ? { reply } : undefined;
    };
    // The server itself never sees the data connection, so the upload cannot succeed.
    await bench.fail("a", "a.txt");
    expect(elsewhere.connections()).toBeGreaterThan(0);
    await elsewhere.close();
  });

  test("the data port is closed: unavailable, with what to check", async () => {
    const bench = await ftpBench({ connection: { connectTimeoutMs: 1_000 } });
    const closed = await catcher("127.0.0.1");
    await closed.close();
    bench.server.hook = (command) => {
      if (command === "EPSV") return { reply: `229 Entering Extended Passive Mode (|||${closed.port}|)` };
      const reply = `227 Entering Passive Mode (127,0,0,1,${closed.port >> 8},${closed.port & 255}).`;
      return command === "PASV" ? { reply } : undefined;
    };
    const error = await bench.fail("a", "a.txt");
    expect(error).toMatchObject({ kind: "unavailable", code: "ECONNREFUSED" });
    expect(error.message).toMatch(/passive ports/);
    expect(await filesOf(bench)).toEqual({});
  });
});

describe("credentials", () => {
  test.each([
    ["us@r", "p+%w0&r)d"],
    ["user", "pass*+=:"],
    ["bäumchen", "pässwörd 名"],
    ["with space", " leading and trailing "],
  ])("%s with %s", async (user, password) => {
    const bench = await ftpBench({ server: { user, password } });
    await bench.deliver("a", "a.txt");
    expect(await filesOf(bench)).toEqual({ "a.txt": "a" });
  });

  test("a wrong password: denied once, without user and password in the error", async () => {
    const password = "c4nary-p+%w0&r)d";
    const user = "canary-us@r";
    const bench = await ftpBench({ server: { user, password: "right" }, connection: { password } });
    bench.server.hook = on("PASS", { reply: `530 Login of ${user} with ${password} is incorrect.` });
    const error = await bench.fail("a", "a.txt");
    expect(error).toMatchObject({ kind: "denied", code: "530", maxAttempts: 3 });
    const shown = inspect(error, { depth: 10, showHidden: true }) + error.stack + JSON.stringify(error);
    expect(shown).not.toContain(password);
    expect(error.message).not.toContain(user);
    expect(bench.server.commands.filter((command) => command.startsWith("USER"))).toHaveLength(1);
  });

  const breaks = ["USER", "PASS", "EPSV", "STOR", "RETR", "RNFR", "RNTO"];
  test.each(breaks)("the password is in no error and no connection, when %s breaks", async (command) => {
    const password = "c4nary-p+%w0&r)d";
    const bench = await ftpBench({ server: { password } });
    bench.server.hook = on(command, { drop: "before" });
    const error = await bench.fail("a", "a.txt");
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(password);
    expect(inspect(bench.connection, { depth: 10, showHidden: true })).not.toContain(password);
    expect(inspect(bench.writer(), { depth: 10, showHidden: true })).not.toContain(password);
  });
});

/** Listens, and counts who comes. */
async function catcher(host: string) {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections++;
    sockets.add(socket.on("error", () => {}));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    connections: () => connections,
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
