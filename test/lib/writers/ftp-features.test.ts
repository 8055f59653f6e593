import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { FtpHook } from "../../../demo/servers/ftp";
import { testSource } from "../../support/sources";
import { filesOf, ftpBench, on } from "./ftp-bench";

const content = "the new content";
const old = Buffer.from("the old file");

/** A server that knows fewer commands. */
function without(...commands: string[]): FtpHook {
  return (command) => (commands.includes(command) ? { reply: `502 ${command} is not known.` } : undefined);
}

describe("the server lacks commands", () => {
  test("SIZE: MLST tells the size", async () => {
    const bench = await ftpBench({ writer: { verify: "size" } });
    bench.server.hook = without("SIZE");
    expect(await bench.deliver(content, "a.txt")).toMatchObject({ verified: "size", notes: [] });
    await bench.deliver(content, "b.txt");
    // Once is enough to find out.
    expect(bench.commands().filter((command) => command.startsWith("SIZE"))).toHaveLength(1);
  });

  test("SIZE and MLST: a small file is read back", async () => {
    const bench = await ftpBench();
    bench.server.hook = without("SIZE", "MLST", "FEAT");
    expect(await bench.deliver(content, "a.txt")).toMatchObject({ verified: "read-back", notes: [] });
  });

  test("SIZE, MLST and RETR: delivered, and the receipt says that nothing was verified", async () => {
    const bench = await ftpBench();
    bench.server.hook = without("SIZE", "MLST", "FEAT", "RETR");
    const receipt = await bench.deliver(content, "a.txt");
    expect(receipt.verified).toBe("none");
    expect(receipt.notes.join()).toMatch(/tells no size/);
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("SIZE and RETR are refused, as in a folder one can only write to", async () => {
    const bench = await ftpBench();
    bench.server.hook = (command) =>
      command === "SIZE" || command === "RETR" ? { reply: "550 Permission denied." } : undefined;
    expect(await bench.deliver(content, "a.txt")).toMatchObject({ verified: "none", outcome: "delivered" });
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test.each(["fail", "keep-both"])(
    "SIZE and MLST: %s cannot be kept, and nothing is sent",
    async (conflict) => {
      const bench = await ftpBench({ writer: { conflict } });
      bench.server.hook = without("SIZE", "MLST", "FEAT");
      await bench.disk.put("a.txt", old);
      expect(await bench.fail(content, "a.txt")).toMatchObject({ kind: "invalid" });
      expect(await filesOf(bench)).toEqual({ "a.txt": String(old) });
    },
  );

  test("verification can be switched off", async () => {
    const bench = await ftpBench({ writer: { verify: "none" } });
    expect(await bench.deliver(content, "a.txt")).toMatchObject({ verified: "none", notes: [] });
    expect(bench.commands().join()).not.toContain("SIZE");
  });

  test("UTF-8: a name beyond ASCII that is refused gets a hint", async () => {
    const bench = await ftpBench();
    bench.server.hook = (command) => {
      if (command === "OPTS" || command === "FEAT") return { reply: "500 Not known." };
      return command === "STOR" ? { reply: "553 Bad name." } : undefined;
    };
    expect((await bench.fail(content, "ünï.txt", { writer: { temporaryName: false } })).message).toMatch(
      /UTF-8/,
    );
  });
});

describe("skip-identical without a hash", () => {
  test("a big file is compared by its size, and the receipt says so", async () => {
    const bench = await ftpBench({ writer: { conflict: "skip-identical" } });
    const bytes = randomBytes(8 * 1024 * 1024 + 1);
    await bench.disk.put("a.bin", bytes);
    const receipt = await bench.deliver(bytes, "a.bin");
    expect(receipt).toMatchObject({ outcome: "skipped", verified: "size" });
    expect(receipt.notes.join()).toMatch(/size only/);
    expect(receipt.bytes).toBe(bytes.length);
  });

  test("content of unknown length is measured first", async () => {
    const bench = await ftpBench({ writer: { conflict: "skip-identical" } });
    await bench.disk.put("a.txt", Buffer.from(content));
    const source = testSource(Buffer.from(content), { unknownLength: true });
    expect(await bench.deliver(source, "a.txt")).toMatchObject({ outcome: "skipped", verified: "read-back" });
  });
});

describe("folders", () => {
  test("are made once, when the server misses them", async () => {
    const bench = await ftpBench();
    await bench.deliver(content, "2026/11/a.txt");
    expect(bench.commands().filter((command) => command.startsWith("MKD"))).toEqual([
      "MKD /2026",
      "MKD /2026/11",
    ]);
    await bench.deliver(content, "2026/11/b.txt", { writer: { verify: "size" } });
    expect(bench.commands().map((command) => command.split(" ")[0])).toEqual([
      "EPSV",
      "STOR",
      "SIZE",
      "RNFR",
      "RNTO",
    ]);
  });

  test.each(["257 It is there.", "521 It is there already.", "550 File exists."])(
    "MKD of a folder that somebody else has just made (%s)",
    async (reply) => {
      const bench = await ftpBench();
      bench.server.hook = async (command) => {
        if (command !== "MKD") return undefined;
        await bench.disk.put("new/other.txt", old);
        return { reply };
      };
      await bench.deliver(content, "new/a.txt");
      expect(await filesOf(bench)).toEqual({ "new/a.txt": content, "new/other.txt": String(old) });
    },
  );

  test("are not made when that is switched off", async () => {
    const bench = await ftpBench({ writer: { makeFolders: false } });
    const error = await bench.fail(content, "no/such/a.txt");
    expect(error).toMatchObject({ kind: "missing", code: "550" });
    expect(error.message).toContain("/no/such");
    expect(bench.commands().join()).not.toContain("MKD");
  });

  test("cannot be made: the server's reason", async () => {
    const bench = await ftpBench();
    bench.server.hook = on("MKD", { reply: "550 Create directory operation failed." });
    const error = await bench.fail(content, "no/a.txt");
    expect(error).toMatchObject({ kind: "denied", code: "550" });
    expect(error.message).toContain("Create directory operation failed");
  });

  test("the root is made too, and nothing leaves it", async () => {
    const bench = await ftpBench({ connection: { root: "/in box/-x" } });
    await bench.deliver(content, "/ a.txt");
    expect(await filesOf(bench)).toEqual({ "in box/-x/ a.txt": content });
    expect(bench.writer().locate("/ a.txt")).toBe(`ftp://127.0.0.1:${bench.server.port}/in box/-x/ a.txt`);
  });

  test("a root without a slash is below the folder of the login", async () => {
    const bench = await ftpBench({ connection: { root: "in" } });
    bench.server.hook = on("PWD", { reply: '257 "/home/the ""other"" one" is the folder' });
    await bench.deliver(content, "a.txt");
    expect(await filesOf(bench)).toEqual({ 'home/the "other" one/in/a.txt': content });
  });
});
