import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
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
      "EPSV",
      "RETR",
      "RNFR",
      "RNTO",
      "EPSV",
      "MLSD",
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

  test.each([
    ["size", 5],
    ["automatic", 6],
  ])("one login serves many files: checked by %s, %i commands for each", async (verify, commands) => {
    const bench = await ftpBench({ writer: { verify } });
    await bench.deliver("content", "first.txt");
    bench.commands();
    for (let n = 0; n < 10; n++) await bench.deliver("content", `${n}.txt`);
    expect(logins(bench)).toBe(1);
    expect(bench.commands()).toHaveLength(10 * commands);
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

  test.each(["CONNECT", "USER", "PASS", "TYPE", "EPSV", "STOR", "RETR", "RNFR"])(
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
  const silences = ["CONNECT", "USER", "PASS", "FEAT", "EPSV", "STOR", "RETR", "RNFR"];
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
    if (command === "RETR" || command === "RNFR") expect(outcome).toMatchObject({ outcome: "delivered" });
    else expect(outcome).toMatchObject({ kind: "unavailable", code: "ETIMEDOUT" });
    const complete = command === "RETR" || command === "RNFR";
    expect(await filesOf(bench)).toEqual(complete ? { "a.txt": "a" } : {});
  });

  test("a source that is slower than the idle time is waited for", async () => {
    const bench = await ftpBench({ connection: { idleTimeoutMs: 200 } });
    const bytes = Buffer.from("slow");
    await bench.deliver(testSource(bytes, { chunkBytes: 1, pauseMs: 300 }), "a.txt");
    expect(await filesOf(bench)).toEqual({ "a.txt": "slow" });
  });
});
