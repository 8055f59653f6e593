import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { testSource } from "../../support/sources";
import { filesOf, ftpBench, on } from "./ftp-bench";

const content = "the new content";
const old = Buffer.from("the old file");

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
    expect(receipt).toMatchObject({ outcome: "delivered", verified: "read-back", bytes: content.length });
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

test("keep-both: our number is taken during the upload: the next one, and only that is told", async () => {
  const bench = await ftpBench({ writer: { conflict: "keep-both" } });
  await bench.disk.put("a.txt", old);
  bench.server.hook = async (command) => {
    if (command === "STOR") await bench.disk.put("a-1.txt", old);
    return undefined;
  };
  const receipt = await bench.deliver(content, "a.txt");
  expect(receipt.location).toBe(bench.writer().locate("a-2.txt"));
  expect(receipt.notes).toEqual(["a.txt was there already; the content is kept beside it as a-2.txt."]);
});

test("another session makes the folder between the refusal and our look: uploaded as usual", async () => {
  const bench = await ftpBench();
  let uploads = 0;
  bench.server.hook = async (command) => {
    if (command !== "STOR" || ++uploads > 1) return undefined;
    await bench.disk.put("in/other.txt", old);
    return { reply: "550 No such folder." };
  };
  expect((await bench.deliver(content, "in/a.txt")).notes).toEqual([]);
  expect(uploads).toBe(2);
  expect(bench.commands().some((command) => /^(MKD|STOR \/in\/a\.txt)/.test(command))).toBe(false);
  expect(await filesOf(bench)).toEqual({ "in/a.txt": content, "in/other.txt": String(old) });
});

test("a lock has to do with neither the folder nor the name: the next attempt finds out", async () => {
  const bench = await ftpBench();
  bench.server.hook = on("STOR", { reply: "550 File is locked." }, 1);
  expect(await bench.fail(content, "in/a.txt")).toMatchObject({ kind: "unavailable", code: "550" });
  expect(bench.commands().filter((command) => /^(MKD|CWD|STOR)/.test(command))).toHaveLength(1);
  expect((await bench.deliver(content, "in/a.txt")).notes).toEqual([]);
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
    const bench = await ftpBench({ writer: { temporaryName: false, verify: "size" } });
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
    expect((await bench.deliver(content, "a.txt")).verified).toBe("read-back");
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });
});
