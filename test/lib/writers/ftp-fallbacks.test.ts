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

describe("the server does not rename", () => {
  test.each([
    ["RNFR", "550 Permission denied."],
    ["RNFR", "502 Not known."],
    ["RNTO", "553 Rename refused."],
    ["RNTO", "550 Permission denied."],
  ])("%s is refused with %s: written under its own name, and the receipt says so", async (command, reply) => {
    const bench = await ftpBench();
    bench.server.hook = on(command, { reply });
    const receipt = await bench.deliver(content, "in/a.txt");
    expect(receipt).toMatchObject({ outcome: "delivered", verified: "size", bytes: content.length });
    expect(receipt.notes.join()).toMatch(/does not rename/);
    expect(await filesOf(bench)).toEqual({ "in/a.txt": content });
  });

  test("an upload under the final name that breaks is removed", async () => {
    const bench = await ftpBench();
    let uploads = 0;
    bench.server.hook = (command) => {
      if (command === "RNTO") return { reply: "553 Rename refused." };
      return command === "STOR" && ++uploads === 2 ? { dropAfterBytes: 1000 } : undefined;
    };
    expect(await bench.fail(randomBytes(8_000_000), "a.bin")).toMatchObject({ kind: "unavailable" });
    expect(uploads).toBe(2);
    expect(await filesOf(bench)).toEqual({});
  });

  test("progress is told once, though the content is sent twice", async () => {
    const bench = await ftpBench();
    bench.server.hook = on("RNTO", { reply: "553 Rename refused." });
    let told = 0;
    await bench
      .writer()
      .write(
        testSource(Buffer.from(content)),
        { deliveryId: "d", target: "a.txt", contentType: undefined, metadata: {}, attributes: {} },
        { signal: new AbortController().signal, onProgress: (bytes) => (told += bytes) },
      );
    expect(told).toBe(content.length);
  });
});

describe("the server does not rename over a file", () => {
  /** Like IIS: RNTO is refused while there is a file of that name. */
  async function strict() {
    const bench = await ftpBench();
    bench.server.hook = async (command, argument) => {
      if (command !== "RNTO") return undefined;
      return (await bench.disk.read(argument)) ? { reply: "550 File exists." } : undefined;
    };
    await bench.disk.put("a.txt", old);
    return bench;
  }

  test("replace: the old file makes room, and the receipt says so", async () => {
    const bench = await strict();
    const receipt = await bench.deliver(content, "a.txt");
    expect(receipt.notes.join()).toMatch(/does not rename over a file/);
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("replace, and the second RNTO fails too: the old file is back", async () => {
    const bench = await strict();
    const strictly = bench.server.hook;
    let aside = false;
    bench.server.hook = (command, argument, session) => {
      if (command === "RNTO" && argument.endsWith(".old")) aside = true;
      else if (command === "RNTO" && aside && session.renameFrom?.endsWith(".part")) {
        return { reply: "553 No." };
      }
      return strictly?.(command, argument, session);
    };
    expect(await bench.fail(content, "a.txt")).toMatchObject({ kind: "rejected", code: "553" });
    expect(aside).toBe(true);
    expect(await filesOf(bench)).toEqual({ "a.txt": String(old) });
  });

  test.each(["before", "after"] as const)(
    "replace, and the connection is cut %s the second RNTO: delivered",
    async (drop) => {
      const bench = await strict();
      const strictly = bench.server.hook;
      let cuts = 0;
      bench.server.hook = async (command, argument, session) => {
        const refused = await strictly?.(command, argument, session);
        const second = command === "RNTO" && argument === "/a.txt" && !refused;
        return second && ++cuts === 1 ? { drop } : refused;
      };
      expect((await bench.deliver(content, "a.txt")).outcome).toBe("delivered");
      expect(cuts).toBeGreaterThan(0);
      expect(await filesOf(bench)).toEqual({ "a.txt": content });
    },
  );

  test("fail: a file that came during the upload stays", async () => {
    const bench = await ftpBench({ writer: { conflict: "fail" } });
    bench.server.hook = async (command) => {
      if (command === "STOR") await bench.disk.put("a.txt", old);
      return undefined;
    };
    expect(await bench.fail(content, "a.txt")).toMatchObject({ kind: "rejected", code: "EEXIST" });
    expect(await filesOf(bench)).toEqual({ "a.txt": String(old) });
  });

  test("keep-both: a file that came during the upload stays, ours gets a number", async () => {
    const bench = await ftpBench({ writer: { conflict: "keep-both" } });
    bench.server.hook = async (command) => {
      if (command === "STOR") await bench.disk.put("a.txt", old);
      return undefined;
    };
    const receipt = await bench.deliver(content, "a.txt");
    expect(receipt.location).toBe(bench.writer().locate("a-1.txt"));
    expect(await filesOf(bench)).toEqual({ "a.txt": String(old), "a-1.txt": content });
  });
});

describe("the temporary name", () => {
  test("is hidden, short, and the same for each attempt of a delivery", async () => {
    const bench = await ftpBench();
    const names: string[] = [];
    bench.server.hook = (command, argument) => {
      if (command === "STOR") names.push(argument);
      return command === "STOR" && names.length === 1 ? { reply: "450 Busy." } : undefined;
    };
    const target = `${"n".repeat(150)}.txt`;
    await bench.fail(content, target, { deliveryId: "one" });
    await bench.deliver(content, target, { deliveryId: "one" });
    await bench.deliver(content, target, { deliveryId: "two" });
    expect(names[0]).toBe(names[1]);
    expect(names[2]).not.toBe(names[1]);
    for (const name of names) expect(name).toMatch(/^\/\.[0-9a-f]{32}\.part$/);
  });

  test("is refused: written under its own name, and the receipt says so", async () => {
    const bench = await ftpBench();
    bench.server.hook = (command, argument) =>
      command === "STOR" && argument.endsWith(".part") ? { reply: "553 No hidden files." } : undefined;
    const receipt = await bench.deliver(content, "a.txt");
    expect(receipt.notes.join()).toMatch(/temporary name/);
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("is refused, and there is an old file: an error, and the old file stays", async () => {
    const bench = await ftpBench();
    await bench.disk.put("a.txt", old);
    bench.server.hook = (command, argument) =>
      command === "STOR" && argument.endsWith(".part") ? { reply: "553 No hidden files." } : undefined;
    expect(await bench.fail(content, "a.txt")).toMatchObject({ kind: "rejected", code: "553" });
    expect(await filesOf(bench)).toEqual({ "a.txt": String(old) });
  });

  test("can be switched off", async () => {
    const bench = await ftpBench({ writer: { temporaryName: false } });
    const receipt = await bench.deliver(content, "a.txt");
    expect(receipt).toMatchObject({ verified: "size", notes: [] });
    expect(bench.commands()).toEqual(["EPSV", "STOR /a.txt", "SIZE /a.txt"]);
  });

  test("switched off: an upload that the server never began with leaves the old file alone", async () => {
    const bench = await ftpBench({ writer: { temporaryName: false } });
    await bench.disk.put("a.txt", old);
    bench.server.hook = on("STOR", { drop: "before" });
    await bench.fail(content, "a.txt");
    expect(await filesOf(bench)).toEqual({ "a.txt": String(old) });
  });

  test("switched off: an upload that breaks is removed, a lost answer is looked up", async () => {
    const bench = await ftpBench({ writer: { temporaryName: false } });
    bench.server.hook = on("STOR", { dropAfterBytes: 1000 }, 1);
    await bench.fail(randomBytes(8_000_000), "a.txt");
    expect(await filesOf(bench)).toEqual({});
    bench.server.hook = on("STOR", { drop: "after" }, 1);
    expect((await bench.deliver(content, "a.txt")).verified).toBe("size");
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });
});

describe("the server lacks commands", () => {
  test("SIZE: MLST tells the size", async () => {
    const bench = await ftpBench();
    bench.server.hook = without("SIZE");
    expect(await bench.deliver(content, "a.txt")).toMatchObject({ verified: "size", notes: [] });
    await bench.deliver(content, "b.txt");
    // Once is enough to find out.
    expect(bench.commands().filter((command) => command.startsWith("SIZE"))).toHaveLength(1);
  });

  test("SIZE and MLST: delivered, and the receipt says that nothing was verified", async () => {
    const bench = await ftpBench();
    bench.server.hook = without("SIZE", "MLST", "FEAT");
    const receipt = await bench.deliver(content, "a.txt");
    expect(receipt.verified).toBe("none");
    expect(receipt.notes.join()).toMatch(/tells no size/);
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("SIZE is refused, as in a folder one can only write to", async () => {
    const bench = await ftpBench();
    bench.server.hook = on("SIZE", { reply: "550 Could not get file size." });
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

describe("a hash command", () => {
  function offering(feature: string, command: string, answer: (path: string) => Promise<string>): FtpHook {
    return async (name, argument) => {
      if (name === "FEAT") return { reply: `211-Features:\r\n SIZE\r\n ${feature}\r\n211 End` };
      return name === command ? { reply: await answer(argument) } : undefined;
    };
  }

  const sha256 = "75ab1b2bc7cf0b1c0a8c5a4f1c7c4d0b6f5d3a1e9b8c7d6e5f4a3b2c1d0e9f8a";

  test.each([
    ["HASH SHA-1;SHA-256*;MD5", "HASH", (digest: string) => `213 SHA-256 0-14 ${digest} a.txt`],
    ["HASH SHA-1*;SHA-256", "HASH", (digest: string) => `213 SHA-256 0-14 ${digest} a.txt`],
    ["XSHA256", "XSHA256", (digest: string) => `250 ${digest.toUpperCase()}`],
  ])("%s proves the upload", async (feature, command, say) => {
    const bench = await ftpBench();
    const source = testSource(Buffer.from(content));
    bench.server.hook = offering(feature, command, async () => say(source.sha256 ?? ""));
    expect(await bench.deliver(source, "a.txt")).toMatchObject({ verified: "checksum" });
    bench.server.hook = offering(feature, command, async () => say(sha256));
    expect(await bench.fail(source, "b.txt")).toMatchObject({
      kind: "unavailable",
      code: "CHECKSUM_MISMATCH",
    });
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("tells identical files without reading them back", async () => {
    const bench = await ftpBench({ writer: { conflict: "skip-identical" } });
    const source = testSource(Buffer.from(content));
    bench.server.hook = offering("XSHA256", "XSHA256", async () => `250 ${source.sha256}`);
    await bench.disk.put("a.txt", Buffer.from(content));
    expect(await bench.deliver(source, "a.txt")).toMatchObject({ outcome: "skipped", verified: "checksum" });
    expect(bench.commands().join()).not.toContain("RETR");
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
    await bench.deliver(content, "2026/11/b.txt");
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
