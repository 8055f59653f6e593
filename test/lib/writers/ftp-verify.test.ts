import { createHash, randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { FtpHook } from "../../../demo/servers/ftp";
import { testSource } from "../../support/sources";
import { type FtpBench, filesOf, ftpBench, on } from "./ftp-bench";

const content = "the new content";
const hashOf = (algorithm: string) => (bytes: Buffer) => createHash(algorithm).update(bytes).digest("hex");
const crcOf = (bytes: Buffer) => crc32(bytes).toString(16).padStart(8, "0");

interface HashCommand {
  /** The line of FEAT. */
  feature: string;
  command: string;
  hash: (bytes: Buffer) => string;
  answer: (digest: string, path: string) => string;
}

const leafOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

const hashCommands: HashCommand[] = [
  {
    feature: "HASH SHA-1;SHA-256*;MD5",
    command: "HASH",
    hash: hashOf("sha256"),
    answer: (digest, path) => `213 SHA-256 0-14 ${digest} ${leafOf(path)}`,
  },
  {
    feature: "HASH MD5*;SHA-1",
    command: "HASH",
    hash: hashOf("sha1"),
    answer: (digest, path) => `213 SHA-1 0-14 ${digest.toUpperCase()} ${path}`,
  },
  {
    feature: "HASH CRC32*",
    command: "HASH",
    hash: crcOf,
    answer: (digest) => `213 CRC32 0-14 ${digest} deadbeef`,
  },
  { feature: "XSHA256", command: "XSHA256", hash: hashOf("sha256"), answer: (digest) => `250 ${digest}` },
  { feature: "XSHA512", command: "XSHA512", hash: hashOf("sha512"), answer: (digest) => `250 ${digest}` },
  {
    feature: "XSHA1 filename;start;end",
    command: "XSHA1",
    hash: hashOf("sha1"),
    answer: (digest) => `250 ${digest.toUpperCase()}`,
  },
  {
    feature: "XMD5",
    command: "XMD5",
    hash: hashOf("md5"),
    answer: (digest, path) => `250 "${path}" ${digest}`,
  },
  {
    feature: "XCRC",
    command: "XCRC",
    hash: crcOf,
    // As some servers do: without the zeros in front.
    answer: (digest) => `250 ${digest.replace(/^0+/, "").toUpperCase()}`,
  },
];

/** A server that computes digests of what it has. */
function hashing(bench: FtpBench, { feature, command, hash, answer }: HashCommand): FtpHook {
  return async (name, argument) => {
    if (name === "FEAT") return { reply: `211-Features:\r\n SIZE\r\n ${feature}\r\n211 End` };
    if (name === "OPTS" && argument.startsWith("HASH")) return { reply: "200 So be it." };
    if (name !== command) return undefined;
    const bytes = (await bench.disk.read(argument)) ?? Buffer.alloc(0);
    return { reply: answer(hash(bytes), argument) };
  };
}

/** Damages the upload after it was taken, without changing its size. */
async function flipByte(bench: FtpBench): Promise<void> {
  const name = (await bench.disk.list()).find((each) => each.endsWith(".part")) ?? "";
  const file = await open(join(bench.server.root, name), "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 0);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 0);
  await file.close();
}

function damaging(bench: FtpBench, before?: FtpHook): FtpHook {
  let damaged = false;
  return async (command, argument, session) => {
    // Whatever is asked about the upload first finds it damaged.
    if (command !== "STOR" && argument.includes(".part") && !damaged) {
      damaged = true;
      await flipByte(bench);
    }
    return before?.(command, argument, session);
  };
}

const corrupt = { kind: "unavailable", code: "CHECKSUM_MISMATCH", maxAttempts: 3 };

describe("a hash command", () => {
  describe.each(hashCommands)("$feature", (kind) => {
    test("proves the upload in one pass over the source", async () => {
      const bench = await ftpBench();
      bench.server.hook = hashing(bench, kind);
      const source = testSource(Buffer.from(content));
      expect(await bench.deliver(source, "a.txt")).toMatchObject({ verified: "checksum", notes: [] });
      expect(source.reads).toBe(1);
      expect(bench.commands().join()).not.toContain("RETR");
    });

    test("tells damage: nothing is published, nothing is left, the old file stays", async () => {
      const bench = await ftpBench();
      await bench.disk.put("a.txt", Buffer.from("the old file"));
      bench.server.hook = damaging(bench, hashing(bench, kind));
      const error = await bench.fail(content, "a.txt");
      expect(error).toMatchObject(corrupt);
      expect(error.message).toContain("a.txt");
      expect(await filesOf(bench)).toEqual({ "a.txt": "the old file" });
    });

    test("tells identical files without reading them back", async () => {
      const bench = await ftpBench({ writer: { conflict: "skip-identical", verify: "size" } });
      bench.server.hook = hashing(bench, kind);
      await bench.disk.put("a.txt", Buffer.from(content));
      expect(await bench.deliver(content, "a.txt")).toMatchObject({
        outcome: "skipped",
        verified: "checksum",
      });
      expect(bench.commands().join()).not.toContain("RETR");
    });
  });

  test("HASH is told the best algorithm, once in a session", async () => {
    const bench = await ftpBench();
    const [, sha1] = hashCommands;
    if (!sha1) throw new Error("no such row");
    bench.server.hook = hashing(bench, sha1);
    await bench.deliver(content, "a.txt");
    await bench.deliver(content, "b.txt");
    expect(bench.server.commands.filter((command) => command.startsWith("OPTS HASH"))).toEqual([
      "OPTS HASH SHA-1",
    ]);
  });

  test.each(["502 Not here.", "550 Not for you.", "213 MD5 0-14 00112233445566778899aabbccddeeff a.txt"])(
    "that says %s: the file is read back",
    async (reply) => {
      const bench = await ftpBench();
      bench.server.hook = (command) => {
        if (command === "FEAT") return { reply: "211-Features:\r\n SIZE\r\n HASH SHA-256*\r\n211 End" };
        return command === "HASH" ? { reply } : undefined;
      };
      expect(await bench.deliver(content, "a.txt")).toMatchObject({ verified: "read-back" });
    },
  );

  test("may take longer than other answers, by the size of the file", { timeout: 30_000 }, async () => {
    const bench = await ftpBench({ connection: { idleTimeoutMs: 5_000 } });
    const [kind] = hashCommands;
    if (!kind) throw new Error("no such row");
    const quick = hashing(bench, kind);
    bench.server.hook = async (command, argument, session) => {
      const injection = await quick(command, argument, session);
      return command === "HASH" ? { ...injection, delayMs: 6_000 } : injection;
    };
    const receipt = await bench.deliver(randomBytes(40_000_000), "a.bin");
    expect(receipt).toMatchObject({ verified: "checksum", notes: [] });
  });
});

describe("no hash command", () => {
  const small = 1024 * 1024;

  test.each([
    ["automatic", small, "read-back"],
    ["automatic", small + 1, "size"],
    ["read-back", small + 1, "read-back"],
    ["size", 10, "size"],
    ["none", 10, "none"],
  ])("%s: %i bytes are verified by %s", async (verify, bytes, verified) => {
    const bench = await ftpBench({ writer: { verify } });
    expect(await bench.deliver(randomBytes(bytes), "a.bin")).toMatchObject({ verified, notes: [] });
  });

  test.each([
    ["automatic", small],
    ["read-back", small + 1],
  ])("%s finds a flipped byte: nothing is published, nothing is left", async (verify, bytes) => {
    const bench = await ftpBench({ writer: { verify } });
    bench.server.hook = damaging(bench);
    expect(await bench.fail(randomBytes(bytes), "a.bin")).toMatchObject(corrupt);
    expect(await filesOf(bench)).toEqual({});
  });

  test("reading back is refused: the size has to do, and who asked for more is told", async () => {
    const bench = await ftpBench();
    bench.server.hook = on("RETR", { reply: "550 Write only." });
    expect(await bench.deliver(content, "a.txt")).toMatchObject({ verified: "size", notes: [] });
    const receipt = await bench.deliver(content, "b.txt", { writer: { verify: "read-back" } });
    expect(receipt).toMatchObject({ verified: "size", notes: [expect.stringMatching(/read again/)] });
  });

  test("the connection is lost while reading back: looked at again on a new session", async () => {
    const bench = await ftpBench();
    bench.server.hook = on("RETR", { drop: "before" }, 1);
    expect(await bench.deliver(content, "a.txt")).toMatchObject({ verified: "read-back" });
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });
});

test("sentences name the target, never the temporary file", async () => {
  const commands = ["EPSV", "STOR", "SIZE", "RETR", "RNFR", "RNTO"];
  const bench = await ftpBench();
  for (const command of commands) {
    for (const injection of [{ reply: "451 Not now." }, { drop: "before" } as const]) {
      // Whatever the writer tries next meets the same.
      bench.server.hook = on(command, injection);
      const outcome = await bench.deliver(content, "a.txt").catch((error: Error) => error);
      if (outcome instanceof Error)
        expect(outcome.message.replace(/The unfinished.*/, "")).not.toContain(".part");
    }
  }
});
