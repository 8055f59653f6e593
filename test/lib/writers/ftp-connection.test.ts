import { createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { describe, expect, test, vi } from "vitest";
import {
  createFtpConnection,
  createFtpWriter,
  readFtpConnectionOptions,
  readFtpWriterOptions,
} from "../../../src/lib";
import { testSource } from "../../support/sources";
import { type FtpBench, filesOf, ftpBench, on } from "./ftp-bench";

function logins(bench: FtpBench): number {
  return bench.server.commands.filter((command) => command.startsWith("USER")).length;
}

describe("sessions", () => {
  // The ancestor's own test of its FTP writer.
  test("the FTP writer connects, writes, disconnects", async () => {
    const bench = await ftpBench();
    const writer = bench.writer();
    await bench.deliverWith(writer, "Hello", "hello.txt");
    await writer.close();
    await bench.connection.close();
    await expect.poll(() => bench.server.sessions.size).toBe(0);
    expect(bench.server.commands.map((command) => command.split(" ")[0])).toEqual([
      "USER",
      "PASS",
      "FEAT",
      "OPTS",
      "TYPE",
      "EPSV",
      "STOR",
      "SIZE",
      "RNFR",
      "RNTO",
      "QUIT",
    ]);
    expect(await filesOf(bench)).toEqual({ "hello.txt": "Hello" });
  });

  test("nothing is connected before the first delivery", async () => {
    const bench = await ftpBench();
    expect(bench.writer().locate("a.txt")).toMatch(/^ftp:/);
    await sleep(50);
    expect(bench.server.sessions.size).toBe(0);
  });

  test("one login serves many files: five commands for each", async () => {
    const bench = await ftpBench();
    for (let n = 0; n < 10; n++) await bench.deliver("content", `${n}.txt`);
    expect(logins(bench)).toBe(1);
    expect(bench.commands()).toHaveLength(50);
  });

  test("never more logins than allowed, and all that wait get their turn", async () => {
    const bench = await ftpBench({ connection: { maxSessions: 2 } });
    let most = 0;
    bench.server.hook = (command) => {
      most = Math.max(most, bench.server.sessions.size);
      return command === "STOR" ? { delayMs: 5 } : undefined;
    };
    await Promise.all(Array.from({ length: 12 }, (_, n) => bench.deliver(`${n}`, `${n}.txt`)));
    expect(Object.keys(await filesOf(bench))).toHaveLength(12);
    expect(most).toBe(2);
  });

  test("a failure cleans up though all places are taken", async () => {
    const bench = await ftpBench({ connection: { maxSessions: 1 } });
    bench.server.hook = on("STOR", { lastReply: "552 Full." }, 1);
    const [failed, delivered] = await Promise.allSettled([
      bench.deliver("a", "a.txt"),
      bench.deliver("b", "b.txt"),
    ]);
    expect(failed.status).toBe("rejected");
    expect(delivered.status).toBe("fulfilled");
    expect(await filesOf(bench)).toEqual({ "b.txt": "b" });
  });

  test("an idle session that the server has closed is replaced without a word", async () => {
    const bench = await ftpBench();
    await bench.deliver("a", "a.txt");
    await Promise.all([...bench.server.sessions].map((session) => session.close()));
    await bench.deliver("b", "b.txt");
    expect(logins(bench)).toBe(2);
  });

  test.each(["before", "after"] as const)(
    "so is one that closes at the first command (%s its work)",
    async (drop) => {
      const bench = await ftpBench();
      await bench.deliver("a", "a.txt");
      bench.server.hook = on("EPSV", { drop }, 1);
      expect(await bench.deliver("b", "b.txt")).toMatchObject({ notes: [] });
      expect(logins(bench)).toBe(2);
    },
  );

  test("a new session that closes at the first command is an error", async () => {
    const bench = await ftpBench();
    bench.server.hook = on("EPSV", { drop: "before" }, 1);
    expect(await bench.fail("a", "a.txt")).toMatchObject({ kind: "unavailable" });
  });

  test("421 to the first command of an idle session: replaced, as the session is dead", async () => {
    const bench = await ftpBench();
    await bench.deliver("a", "a.txt");
    bench.server.hook = on("EPSV", { reply: "421 Timeout." }, 1);
    await bench.deliver("b", "b.txt");
    expect(logins(bench)).toBe(2);
  });

  test("a session that has been idle for seconds is asked whether it lives", async () => {
    const bench = await ftpBench();
    await bench.deliver("a", "a.txt");
    await sleep(3_200);
    await bench.deliver("b", "b.txt");
    expect(bench.server.commands).toContain("NOOP");
    expect(logins(bench)).toBe(1);
  }, 15_000);

  test("an idle session is closed after half a minute", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const bench = await ftpBench();
      await bench.deliver("a", "a.txt");
      vi.advanceTimersByTime(29_000);
      expect(bench.server.sessions.size).toBe(1);
      vi.advanceTimersByTime(1_000);
      await expect.poll(() => bench.server.sessions.size).toBe(0);
      await bench.deliver("b", "b.txt");
      expect(logins(bench)).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });

  test("a refusal of ours keeps the session", async () => {
    const bench = await ftpBench({ writer: { conflict: "fail" } });
    await bench.deliver("a", "a.txt");
    for (let n = 0; n < 3; n++) expect(await bench.fail("b", "a.txt")).toMatchObject({ kind: "rejected" });
    expect(logins(bench)).toBe(1);
  });

  test("an abort while waiting for a place ends at once", async () => {
    const bench = await ftpBench({ connection: { maxSessions: 1 } });
    bench.server.hook = on("STOR", { delayMs: 300 });
    const controller = new AbortController();
    const first = bench.deliver("a", "a.txt");
    const second = bench.fail("b", "b.txt", { signal: controller.signal });
    const third = bench.deliver("c", "c.txt");
    await sleep(50);
    controller.abort();
    expect(await second).toMatchObject({ kind: "cancelled" });
    await Promise.all([first, third]);
    expect(await filesOf(bench)).toEqual({ "a.txt": "a", "c.txt": "c" });
  });

  test.each(["CONNECT", "USER", "PASS", "TYPE", "EPSV", "STOR", "SIZE", "RNFR"])(
    "an abort during %s ends at once",
    async (command) => {
      const bench = await ftpBench();
      const controller = new AbortController();
      bench.server.hook = (name) => {
        if (name !== command || controller.signal.aborted) return undefined;
        setTimeout(() => controller.abort(), 20);
        return { delayMs: 60_000 };
      };
      const startedAt = performance.now();
      expect(await bench.fail("a", "a.txt", { signal: controller.signal })).toMatchObject({
        kind: "cancelled",
      });
      expect(performance.now() - startedAt).toBeLessThan(3_000);
      expect(await filesOf(bench)).toEqual({});
    },
  );
});

describe("time-outs of our own", () => {
  const silences = ["CONNECT", "USER", "PASS", "FEAT", "EPSV", "STOR", "SIZE", "RNFR"];
  test.each(silences)("no answer to %s: unavailable, and nothing is left", async (command) => {
    const bench = await ftpBench({ connection: { connectTimeoutMs: 400, idleTimeoutMs: 400 } });
    let silent = true;
    bench.server.hook = (name) => {
      // The look at the server and the clean-up afterwards are answered.
      if (name !== command || !silent) return undefined;
      silent = false;
      return { delayMs: 60_000 };
    };
    const outcome = await bench.deliver("a", "a.txt").catch((error: unknown) => error);
    if (command === "SIZE" || command === "RNFR") expect(outcome).toMatchObject({ outcome: "delivered" });
    else expect(outcome).toMatchObject({ kind: "unavailable", code: "ETIMEDOUT" });
    const complete = command === "SIZE" || command === "RNFR";
    expect(await filesOf(bench)).toEqual(complete ? { "a.txt": "a" } : {});
  });

  test("a source that is slower than the idle time is waited for", async () => {
    const bench = await ftpBench({ connection: { idleTimeoutMs: 200 } });
    const bytes = Buffer.from("slow");
    await bench.deliver(testSource(bytes, { chunkBytes: 1, pauseMs: 300 }), "a.txt");
    expect(await filesOf(bench)).toEqual({ "a.txt": "slow" });
  });
});

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
    expect(bench.commands().filter((command) => /^(EPSV|PASV)/.test(command))).toEqual([
      "EPSV",
      "PASV",
      "PASV",
    ]);
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
    expect(logins(bench)).toBe(1);
  });

  const breaks = ["USER", "PASS", "EPSV", "STOR", "SIZE", "RNFR", "RNTO"];
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
