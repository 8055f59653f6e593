import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { FtpInjection } from "../../../demo/servers/ftp";
import type { ErrorKind } from "../../../src/lib/errors";
import { filesOf, ftpBench, on } from "./ftp-bench";

const oldFile = { "a.txt": "the old file" };
const content = "the new content";

const refusals: [string, ErrorKind][] = [
  ["421 Closing down.", "unavailable"],
  ["421 Too many connections.", "throttled"],
  ["425 No data connection.", "unavailable"],
  ["426 Cut.", "unavailable"],
  ["450 Busy.", "unavailable"],
  ["451 Local error.", "unavailable"],
  ["452 No room.", "unavailable"],
  ["503 Not now.", "unavailable"],
  ["530 Not allowed.", "denied"],
  ["550 No permission.", "denied"],
  ["552 Quota exceeded.", "unavailable"],
  ["553 Not that name.", "rejected"],
];

describe("refused by a reply", () => {
  describe.each(["CONNECT", "USER", "PASS", "EPSV", "STOR", "RNFR", "RNTO"])("to %s", (command) => {
    test.each(refusals)("%s is %s, and the old file stays", async (reply, kind) => {
      const bench = await ftpBench();
      await bench.disk.put("a.txt", Buffer.from(oldFile["a.txt"]));
      // EPSV alone would only make the writer try PASV.
      bench.server.hook = (name) =>
        name === command || (command === "EPSV" && name === "PASV") ? { reply } : undefined;
      const error = await bench.fail(content, "a.txt");
      expect(error).toMatchObject({ kind, code: reply.slice(0, 3) });
      bench.server.hook = undefined;
      expect(await filesOf(bench)).toEqual(oldFile);
      // And the connection is good for the next.
      await bench.deliver(content, "a.txt");
      expect(await filesOf(bench)).toEqual({ "a.txt": content });
    });
  });

  test.each(["421 Closing down.", "450 Busy.", "503 Not now."])(
    "%s to the first STOR: the next attempt delivers",
    async (reply) => {
      const bench = await ftpBench();
      bench.server.hook = on("STOR", { reply }, 1);
      const deliveryId = randomUUID();
      await bench.fail(content, "a.txt", { deliveryId });
      await bench.deliver(content, "a.txt", { deliveryId });
      expect(await filesOf(bench)).toEqual({ "a.txt": content });
    },
  );
});

interface BrokenUpload {
  title: string;
  fault: FtpInjection;
  code: string;
}

const brokenUploads: BrokenUpload[] = [
  { title: "426 and a closed data connection", fault: { closeDataAfterBytes: 1000 }, code: "426" },
  { title: "451", fault: { closeDataAfterBytes: 1000, lastReply: "451 Local error." }, code: "451" },
  { title: "452", fault: { closeDataAfterBytes: 1000, lastReply: "452 No room." }, code: "452" },
  { title: "552", fault: { closeDataAfterBytes: 1000, lastReply: "552 Quota." }, code: "552" },
  // The data connection's reset comes first, and would hide the reason.
  {
    title: "552 some time after the data connection was closed",
    fault: { closeDataAfterBytes: 1000, lastReply: "552 Quota.", lastReplyDelayMs: 100 },
    code: "552",
  },
  {
    title: "226 too early",
    fault: { closeDataAfterBytes: 1000, lastReply: "226 Done." },
    code: "ECONNRESET",
  },
  { title: "both connections cut", fault: { dropAfterBytes: 1_000_000 }, code: "ECONNRESET" },
  { title: "a server that stops reading", fault: { stallAfterBytes: 1000 }, code: "ETIMEDOUT" },
  { title: "226 for a part of the bytes", fault: { keepBytes: 1000 }, code: "SIZE_MISMATCH" },
];

describe.each([{ before: {} }, { before: oldFile }])("an upload breaks, before it $before", ({ before }) => {
  test.each(brokenUploads)("$title: nothing new, nothing left", async ({ fault, code }) => {
    const bench = await ftpBench({ connection: { idleTimeoutMs: 1000 } });
    for (const [name, text] of Object.entries(before)) await bench.disk.put(name, Buffer.from(text));
    bench.server.hook = on("STOR", fault, 1);
    // More than the kernel takes in while nobody reads.
    const error = await bench.fail(randomBytes(16_000_000), "a.txt");
    expect(error).toMatchObject({ kind: "unavailable", code });
    expect(await filesOf(bench)).toEqual(before);
  });
});

const lostAnswers: [string, string, FtpInjection][] = [
  ["426 after the last byte", "STOR", { lastReply: "426 Cut." }],
  ["421 after the last byte", "STOR", { lastReply: "421 Closing down." }],
  ["the connection cut after the last byte", "STOR", { drop: "after" }],
  ["no answer in time", "STOR", { lastReplyDelayMs: 60_000 }],
  ["the connection cut", "RETR", { drop: "before" }],
  ["the connection cut", "RNFR", { drop: "after" }],
  ["the connection cut before the work", "RNTO", { drop: "before" }],
  ["the connection cut after the work", "RNTO", { drop: "after" }],
  ["421 before the work", "RNTO", { reply: "421 Closing down." }],
  ["421 after the work", "RNTO", { lastReply: "421 Closing down." }],
  ["550 after the work", "RNTO", { lastReply: "550 Refused, but done." }],
  ["no answer in time", "RNTO", { lastReplyDelayMs: 60_000 }],
];

describe.each([{ before: {} }, { before: oldFile }])("an answer is lost, before it $before", ({ before }) => {
  test.each(lostAnswers)("%s to %s: one file, delivered", async (_title, command, fault) => {
    const bench = await ftpBench({ connection: { idleTimeoutMs: 700 } });
    for (const [name, text] of Object.entries(before)) await bench.disk.put(name, Buffer.from(text));
    bench.server.hook = on(command, fault, 1);
    const receipt = await bench.deliver(content, "a.txt");
    expect(receipt).toMatchObject({ outcome: "delivered", verified: "read-back", bytes: content.length });
    expect(receipt.notes).not.toEqual([]);
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("to STOR, and half of the upload with it: an error, nothing left", async () => {
    const bench = await ftpBench();
    for (const [name, text] of Object.entries(before)) await bench.disk.put(name, Buffer.from(text));
    bench.server.hook = on("STOR", { keepBytes: 5, drop: "after" }, 1);
    expect(await bench.fail(content, "a.txt")).toMatchObject({ kind: "unavailable" });
    expect(await filesOf(bench)).toEqual(before);
  });
});

test("an old file as long as the new one is not taken for it", async () => {
  const bench = await ftpBench();
  const old = "x".repeat(content.length);
  await bench.disk.put("a.txt", Buffer.from(old));
  bench.server.hook = on("STOR", { keepBytes: 5, drop: "after" }, 1);
  expect(await bench.fail(content, "a.txt")).toMatchObject({ kind: "unavailable" });
  expect(await filesOf(bench)).toEqual({ "a.txt": old });
  const deliveryId = randomUUID();
  const writer = bench.writer();
  // The rename is not done, and the answers to it and to the look at it are lost.
  bench.server.hook = (command, argument) => {
    const lost = command === "RNTO" || (command === "SIZE" && argument === "/a.txt");
    return lost ? { drop: "before" } : undefined;
  };
  await bench.failWith(writer, content, "a.txt", { deliveryId });
  bench.server.hook = undefined;
  expect(await filesOf(bench)).toEqual({ "a.txt": old });
  await bench.deliverWith(writer, content, "a.txt", { deliveryId });
  expect(await filesOf(bench)).toEqual({ "a.txt": content });
});

describe("an answer to RNTO is lost and the server is gone", () => {
  for (const conflict of ["fail", "keep-both", "replace"]) {
    test(`the next attempt finds its own file (${conflict})`, async () => {
      const bench = await ftpBench();
      const deliveryId = randomUUID();
      let renamed = false;
      bench.server.hook = (command) => {
        if (command === "CONNECT" && renamed) return { reply: "421 Closing down." };
        if (command !== "RNTO") return undefined;
        renamed = true;
        return { drop: "after" };
      };
      const options = { deliveryId, writer: { conflict } };
      // The knowledge is the writer's: both attempts need the same one.
      const writer = bench.writer(options.writer);
      expect(await bench.failWith(writer, content, "a.txt", options)).toMatchObject({ kind: "unavailable" });
      bench.server.hook = undefined;
      bench.commands();
      const receipt = await bench.deliverWith(writer, content, "a.txt", options);
      expect(receipt).toMatchObject({ outcome: "delivered", location: writer.locate("a.txt") });
      expect(bench.commands().join()).not.toContain("STOR");
      expect(await filesOf(bench)).toEqual({ "a.txt": content });
    });
  }
});
