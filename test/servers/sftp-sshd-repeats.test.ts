import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hiddenName } from "../../src/lib/writers/publication";
import { requireTool } from "../support/required";
import { testSource } from "../support/sources";
import { sshdPath } from "../support/sshd";
import { atEnd, type SftpBench, sftpBench } from "./sftp-bench";

// What all writers do about repeats and companion files is in their contract; this is SFTP's own.
const available = requireTool("openssh-server", sshdPath);
const content = "the new content";
const done = { doneFile: "a.txt.done" };
const all = { "a.txt": content, "a.txt.done": "" };
const impatient = () => ({ idleTimeoutMs: 1_000, connectTimeoutMs: 1_000 });
const without = (...requests: string[]) => ({ sftpArguments: `-P ${requests.join(",")}` });

async function putting(bench: SftpBench, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await bench.disk.put(name, Buffer.from(text));
}

describe.runIf(available)("what an earlier attempt may have delivered", () => {
  test("cannot be read, so that only its size is known: not ours", async () => {
    const bench = await sftpBench(undefined, without("read"));
    await putting(bench, { "a.txt": content });
    const repeat = (conflict: string) => bench.deliver(content, "a.txt", { begun: 2, writer: { conflict } });
    await expect(repeat("fail")).rejects.toMatchObject({ kind: "rejected", code: "EEXIST" });
    expect((await repeat("replace")).notes).toEqual([]);
    expect((await repeat("keep-both")).location).toMatch(/a-1\.txt$/);
    expect(await bench.files()).toEqual({ "a.txt": content, "a-1.txt": content });
  });

  test("still has its temporary name: it was never published", async () => {
    const bench = await sftpBench();
    const deliveryId = randomUUID();
    const request = { deliveryId, target: "a.txt", contentType: undefined, metadata: {}, attributes: {} };
    await putting(bench, { "a.txt": content, [hiddenName(request, "part")]: "half" });
    await bench.deliver(content, "a.txt", { deliveryId, begun: 2, writer: { conflict: "keep-both" } });
    expect(await bench.files()).toEqual({ "a.txt": content, "a-1.txt": content });
  });

  test("was written under its own name", async () => {
    const bench = await sftpBench();
    await putting(bench, { "a.txt": content });
    const writer = { temporaryName: false, conflict: "fail" };
    const receipt = await bench.deliver(content, "a.txt", { begun: 2, writer, attributes: done });
    expect(receipt).toMatchObject({ verified: "read-back", notes: [expect.stringMatching(/earlier/)] });
    expect(await bench.files()).toEqual(all);
  });

  test("is large: read back for fail, and simply sent again for replace", async () => {
    const bench = await sftpBench();
    const bytes = randomBytes(9 * 1024 * 1024);
    await bench.disk.put("a.bin", bytes);
    for (const [conflict, reads] of Object.entries({ fail: 0, "keep-both": 0, replace: 1 })) {
      const source = testSource(bytes);
      await bench.deliver(source, "a.bin", { begun: 2, writer: { conflict } });
      expect([conflict, source.reads]).toEqual([conflict, reads]);
    }
    expect(await bench.disk.list()).toEqual(["a.bin"]);
  });
});

describe.runIf(available)("companion files where the server lacks something", () => {
  test("a rename that replaces: the old done file is replaced nevertheless", async () => {
    const bench = await sftpBench(undefined, without("posix-rename"));
    await putting(bench, { "a.txt.done": "old" });
    expect((await bench.deliver(content, "a.txt", { attributes: done })).notes).toEqual([]);
    expect(await bench.files()).toEqual(all);
  });

  test("any rename: both are written under their own names", async () => {
    const bench = await sftpBench(undefined, without("posix-rename", "rename"));
    const { notes } = await bench.deliver(content, "a.txt", { attributes: done });
    expect(notes).toEqual([expect.stringMatching(/does not rename/)]);
    expect(await bench.files()).toEqual(all);
  });
});

describe.runIf(available)("the connection is lost beside the content", () => {
  // Storing, flushing, size, closing, renaming; then opening the done file, flushing, size, closing, renaming.
  for (const fault of ["reset", { swallow: "server" }] as const) {
    const title = fault === "reset" ? "reset" : "silent";
    test.each([5, 6, 7, 8, 9, 10])(`${title} after %i messages: all is there, once`, async (n) => {
      const { proxy, files, deliver } = await sftpBench(impatient);
      const source = atEnd(testSource(Buffer.from(content)), () =>
        proxy.inject({ when: { at: "message", n }, do: fault }),
      );
      const receipt = await deliver(source, "a.txt", { attributes: done, writer: { conflict: "fail" } });
      expect(receipt.outcome).toBe("delivered");
      expect(receipt.notes.length).toBe(proxy.connections - 1);
      expect(await files()).toEqual(all);
    });
  }

  test.each([
    ["the same writer", 1],
    ["another process", 2],
  ])("nor can anybody look: the next attempt, of %s, adds the done file", async (_title, begun) => {
    const bench = await sftpBench(impatient);
    const options = { deliveryId: randomUUID(), attributes: done, writer: { conflict: "fail" } };
    const source = atEnd(testSource(Buffer.from(content)), () => {
      bench.proxy.inject({ when: { at: "message", n: 7 }, do: "reset" });
      bench.proxy.inject({ when: { at: "connect" }, do: { swallow: "both" }, times: Infinity });
    });
    await expect(bench.deliver(source, "a.txt", options)).rejects.toMatchObject({ kind: "unavailable" });
    expect(Object.keys(await bench.files())).toContain("a.txt");
    bench.proxy.clear();
    const again = testSource(Buffer.from(content));
    const receipt = await bench.deliver(again, "a.txt", { ...options, begun });
    expect(receipt.notes).toEqual([expect.stringMatching(/earlier attempt/)]);
    expect(again.reads).toBe(0);
    expect(await bench.files()).toEqual(all);
  });
});
