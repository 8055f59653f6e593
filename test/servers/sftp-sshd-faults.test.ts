import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { DeliveryError } from "../../src/lib";
import { requireTool } from "../support/required";
import { testSource } from "../support/sources";
import { sshdPath } from "../support/sshd";
import { atEnd, sftpBench } from "./sftp-bench";

const available = requireTool("openssh-server", sshdPath);
const impatient = () => ({ idleTimeoutMs: 1_000 });

describe.runIf(available)("the connection", () => {
  test("is cut during a long upload: unavailable, nothing is left, the old file stays", async () => {
    const { proxy, files, deliver } = await sftpBench();
    await deliver("old", "a.bin");
    proxy.inject({ when: { at: "byte", n: 1_000_000, from: "client" }, do: "reset" });
    await expect(deliver(testSource(randomBytes(4_000_000)), "a.bin")).rejects.toMatchObject({
      kind: "unavailable",
      code: "ECONNRESET",
    });
    expect(await files()).toEqual({ "a.bin": "old" });
  });

  test("takes nothing any more during a long upload: unavailable within the idle time", async () => {
    const { proxy, files, deliver } = await sftpBench(impatient);
    await deliver("old", "a.bin");
    const slow = testSource(randomBytes(40_000_000), { chunkBytes: 500_000, pauseMs: 10 });
    proxy.inject({ when: { at: "byte", n: 1_000_000, from: "client" }, do: { swallow: "both" } });
    const startedAt = performance.now();
    await expect(deliver(slow, "a.bin")).rejects.toMatchObject({ kind: "unavailable", code: "ETIMEDOUT" });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await files()).toEqual({ "a.bin": "old" });
  });

  test("is slow because the source is: waited for longer than the idle time", async () => {
    const { files, deliver } = await sftpBench(impatient);
    const slow = testSource(Buffer.from("three"), { chunkBytes: 3, pauseMs: 1_300 });
    expect((await deliver(slow, "a.txt")).notes).toEqual([]);
    expect(await files()).toEqual({ "a.txt": "three" });
  });

  test("was closed while it was idle: replaced without a word", async () => {
    const { proxy, files, deliver } = await sftpBench();
    await deliver("a", "a.txt");
    proxy.now("reset");
    expect((await deliver("b", "b.txt")).notes).toEqual([]);
    expect(proxy.connections).toBe(2);
    expect(await files()).toEqual({ "a.txt": "a", "b.txt": "b" });
  });

  test("serves many deliveries, and no more are open than allowed", async () => {
    const { proxy, files, deliver } = await sftpBench(() => ({ maxSessions: 2 }));
    await Promise.all(Array.from({ length: 12 }, (_, n) => deliver(`${n}`, `${n}.txt`)));
    expect(proxy.connections).toBe(2);
    expect(Object.keys(await files())).toHaveLength(12);
  });

  test("ends at once when the delivery is called off", async () => {
    const { files, deliver } = await sftpBench();
    const slow = testSource(randomBytes(1_000_000), { chunkBytes: 10_000, pauseMs: 20 });
    const startedAt = performance.now();
    await expect(deliver(slow, "a.bin", { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
      kind: "cancelled",
    });
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(await files()).toEqual({});
  });
});

describe.runIf(available)("answers that never come", () => {
  const content = randomBytes(100_000).toString("hex");

  // To the last writes; to flushing, size, closing, looking, renaming; and to nothing at all.
  const counts = {
    replace: [0, 1, 2, 3, 4, 5, 6, 9],
    fail: [1, 5, 6],
    "keep-both": [1, 6],
  };
  for (const [conflict, messages] of Object.entries(counts)) {
    test.each(messages)(`${conflict}: after %i more messages: delivered once`, async (count) => {
      const { proxy, files, deliver } = await sftpBench(impatient);
      await deliver("first", "first.txt");
      const source = atEnd(testSource(Buffer.from(content)), () =>
        proxy.inject({ when: { at: "message", n: count }, do: { swallow: "server" } }),
      );
      const receipt = await deliver(source, "a.txt", { writer: { conflict } });
      expect(receipt).toMatchObject({ outcome: "delivered", verified: "size", bytes: content.length });
      expect(receipt.notes.length).toBe(proxy.connections - 1);
      const found = await files();
      expect(Object.keys(found).sort()).toEqual(["a.txt", "first.txt"]);
      expect(found["a.txt"] === content).toBe(true);
    });
  }

  test("nor can anybody look afterwards: the next attempt finds its own file", async () => {
    const { proxy, files, deliver } = await sftpBench(() => ({
      idleTimeoutMs: 1_000,
      connectTimeoutMs: 1_000,
    }));
    await deliver("first", "first.txt");
    const deliveryId = randomUUID();
    const options = { deliveryId, writer: { conflict: "fail" } };
    const source = atEnd(testSource(Buffer.from("once")), () => {
      // Writing, flushing, size, closing, looking, renaming.
      proxy.inject({ when: { at: "message", n: 6 }, do: { swallow: "server" } });
      proxy.inject({ when: { at: "connect" }, do: { swallow: "both" }, times: Infinity });
    });
    await expect(deliver(source, "a.txt", options)).rejects.toMatchObject({ kind: "unavailable" });
    expect(await files()).toEqual({ "a.txt": "once", "first.txt": "first" });
    proxy.clear();
    const receipt = await deliver("once", "a.txt", options);
    expect(receipt).toMatchObject({
      verified: "read-back",
      notes: [expect.stringMatching(/^An earlier attempt had delivered it/)],
    });
    await expect(deliver("other", "a.txt", { writer: { conflict: "fail" } })).rejects.toMatchObject({
      kind: "rejected",
    });
  });
});

test.runIf(available)(
  "thirty uploads, each cut at a random byte until it passes: thirty whole files",
  async () => {
    const { proxy, disk, deliver } = await sftpBench(impatient);
    const contents = new Map<string, Buffer>();
    let cuts = 0;
    for (let n = 0; n < 30; n++) {
      const bytes = randomBytes(300_000 + n);
      contents.set(`${n}.bin`, bytes);
      const deliveryId = randomUUID();
      for (let delivered = false; !delivered; ) {
        const cutting = sleep(0).then(() => {
          proxy.clear();
          proxy.inject({ when: { at: "byte", n: randomInt(700_000), from: "client" }, do: "reset" });
        });
        const result = await deliver(testSource(bytes), `${n}.bin`, { deliveryId }).catch(
          (error: DeliveryError) => error,
        );
        await cutting;
        delivered = "outcome" in result;
        if (!delivered) {
          cuts++;
          expect(result).toMatchObject({ kind: "unavailable" });
          expect(await disk.read(`${n}.bin`)).toBeUndefined();
        }
      }
    }
    expect(cuts).toBeGreaterThan(3);
    expect((await disk.list()).sort()).toEqual([...contents.keys()].sort());
    for (const [name, bytes] of contents) expect((await disk.read(name))?.equals(bytes), name).toBe(true);
  },
);
