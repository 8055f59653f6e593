import { randomBytes, randomUUID } from "node:crypto";
import { open, truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import { createAuthority } from "../../support/certificates";
import { testSource } from "../../support/sources";
import { type FtpBench, ftpBench, on } from "./ftp-bench";

const megabyte = 1024 * 1024;
const content = randomBytes(24 * megabyte);
const cutAt = 16 * megabyte;

/** An upload that was cut in the middle, and the name that its first part has at the server. */
async function cut(bench: FtpBench, target = "a.bin", deliveryId: string = randomUUID()) {
  bench.server.hook = on("STOR", { dropAfterBytes: cutAt }, 1);
  const error = await bench.fail(content, target, { deliveryId });
  bench.server.hook = undefined;
  bench.commands();
  const name = (await bench.disk.list()).find((each) => each.endsWith(".part")) ?? "";
  return { error, deliveryId, path: join(bench.server.root, name) };
}

const sentBy = (bench: FtpBench) =>
  bench
    .commands()
    .filter((command) => /^(REST|STOR|APPE|DELE)/.test(command))
    .map((command) => command.split(" ")[0]);

async function expectDelivered(bench: FtpBench): Promise<void> {
  expect(await bench.disk.list()).toEqual(["a.bin"]);
  expect((await bench.disk.read("a.bin"))?.equals(content)).toBe(true);
}

describe("an upload that was cut", () => {
  test("goes on where it was, in another process", async () => {
    const bench = await ftpBench();
    const { error, deliveryId, path } = await cut(bench);
    expect(error).toMatchObject({ kind: "unavailable", code: "ECONNRESET" });
    expect(error.message).not.toMatch(/part|unfinished/);
    expect(path).toMatch(/\.[0-9a-f]{32}\.part$/);
    const source = testSource(content);
    let told = 0;
    const receipt = await bench
      .writer()
      .write(
        source,
        { deliveryId, target: "a.bin", contentType: undefined, metadata: {}, attributes: {}, begun: 2 },
        { signal: new AbortController().signal, onProgress: (bytes) => (told += bytes) },
      );
    expect(receipt).toMatchObject({ bytes: content.length, sha256: source.sha256, verified: "read-back" });
    expect(receipt.notes.join()).toMatch(/were at the server already/);
    expect(sentBy(bench)).toEqual(["REST", "STOR"]);
    expect({ told, reads: source.reads }).toEqual({ told: content.length, reads: 1 });
    await expectDelivered(bench);
  });

  test("goes on where it was, also over TLS", async () => {
    const authority = await createAuthority();
    const tls = { ...(await authority.issue()), mode: "explicit", requireSessionReuse: true } as const;
    const bench = await ftpBench({
      server: { tls },
      connection: { security: "explicit", ca: authority.ca },
    });
    const { deliveryId } = await cut(bench);
    await bench.deliver(content, "a.bin", { deliveryId, begun: 2 });
    expect(sentBy(bench)).toEqual(["REST", "STOR"]);
    await expectDelivered(bench);
  });

  test("goes on by APPE where the server knows no REST", async () => {
    const bench = await ftpBench();
    const { deliveryId } = await cut(bench);
    bench.server.hook = on("REST", { reply: "502 Not known." });
    await bench.deliver(content, "a.bin", { deliveryId, begun: 2 });
    expect(sentBy(bench)).toEqual(["REST", "APPE"]);
    await expectDelivered(bench);
  });

  test("is sent anew where the server takes no second part", async () => {
    const bench = await ftpBench();
    const { deliveryId } = await cut(bench);
    let stores = 0;
    bench.server.hook = (command) =>
      command === "STOR" && ++stores === 1 ? { reply: "550 No restart here." } : undefined;
    const receipt = await bench.deliver(content, "a.bin", { deliveryId, begun: 2 });
    expect(sentBy(bench)).toEqual(["REST", "STOR", "REST", "STOR"]);
    expect(receipt.notes).toEqual([]);
    await expectDelivered(bench);
  });

  test("goes on twice", async () => {
    const bench = await ftpBench();
    const { deliveryId } = await cut(bench);
    bench.server.hook = on("STOR", { dropAfterBytes: 2 * megabyte }, 1);
    await bench.fail(content, "a.bin", { deliveryId, begun: 2 });
    bench.server.hook = undefined;
    bench.commands();
    await bench.deliver(content, "a.bin", { deliveryId, begun: 2 });
    expect(sentBy(bench)).toEqual(["REST", "STOR"]);
    await expectDelivered(bench);
  });

  test("killed before the rename: the whole upload is there, and nothing is sent", async () => {
    const bench = await ftpBench();
    const { deliveryId, path } = await cut(bench);
    await bench.disk.put(path.slice(bench.server.root.length), content);
    await bench.deliver(content, "a.bin", { deliveryId, begun: 2 });
    expect(sentBy(bench)).toEqual([]);
    await expectDelivered(bench);
  });
});

describe("what an earlier attempt left is not as it should be", () => {
  test("damaged: found by reading it back, and all is sent anew, once", async () => {
    const bench = await ftpBench();
    const { deliveryId, path } = await cut(bench);
    const file = await open(path, "r+");
    await file.write(Buffer.alloc(10), 0, 10, 1000);
    await file.close();
    const receipt = await bench.deliver(content, "a.bin", { deliveryId, begun: 2 });
    expect(receipt.notes.join()).toMatch(/damaged, so all was sent anew/);
    expect(sentBy(bench)).toEqual(["REST", "STOR", "STOR"]);
    await expectDelivered(bench);
  });

  test("longer than the content: sent anew", async () => {
    const bench = await ftpBench();
    const { deliveryId, path } = await cut(bench);
    await truncate(path, content.length + 1);
    await bench.deliver(content, "a.bin", { deliveryId, begun: 2 });
    expect(sentBy(bench)).toEqual(["STOR"]);
    await expectDelivered(bench);
  });

  test("short: sent anew", async () => {
    const bench = await ftpBench();
    const { deliveryId, path } = await cut(bench);
    await truncate(path, 8 * megabyte - 1);
    await bench.deliver(content, "a.bin", { deliveryId, begun: 2 });
    expect(sentBy(bench)).toEqual(["STOR"]);
    await expectDelivered(bench);
  });

  test("of another delivery: never touched", async () => {
    const bench = await ftpBench();
    const { path } = await cut(bench);
    await bench.deliver(content, "a.bin", { begun: 2 });
    expect(sentBy(bench)).toEqual(["STOR"]);
    expect((await bench.disk.list()).sort()).toEqual([path.slice(bench.server.root.length + 1), "a.bin"]);
  });
});

describe("nothing is kept", () => {
  test("of an upload that the server has too little of", async () => {
    const bench = await ftpBench();
    bench.server.hook = on("STOR", { dropAfterBytes: 1 * megabyte }, 1);
    await bench.fail(content, "a.bin");
    expect(await bench.disk.list()).toEqual([]);
  });

  test("when the source broke off", async () => {
    const bench = await ftpBench();
    await bench.fail(testSource(content, { failAfterBytes: cutAt }), "a.bin");
    expect(await bench.disk.list()).toEqual([]);
  });

  test("when the delivery was interrupted", async () => {
    const bench = await ftpBench();
    const controller = new AbortController();
    const source = testSource(content, { stallAfterBytes: cutAt });
    setTimeout(() => controller.abort(), 500);
    await bench.fail(source, "a.bin", { signal: controller.signal });
    expect(await bench.disk.list()).toEqual([]);
  });

  test("of what arrived damaged", async () => {
    const bench = await ftpBench({ writer: { verify: "read-back" } });
    bench.server.hook = on("STOR", { keepBytes: cutAt }, 1);
    expect(await bench.fail(content, "a.bin")).toMatchObject({ code: "SIZE_MISMATCH" });
    expect(await bench.disk.list()).toEqual([]);
  });

  test("once another try cannot help", async () => {
    const bench = await ftpBench();
    const { deliveryId } = await cut(bench);
    bench.server.hook = on("STOR", { reply: "553 Not that name." });
    expect(await bench.fail(content, "a.bin", { deliveryId, begun: 2 })).toMatchObject({
      kind: "rejected",
    });
    expect(await bench.disk.list()).toEqual([]);
  });

  test("once the source is gone", async () => {
    const bench = await ftpBench();
    const { deliveryId } = await cut(bench);
    const gone = new DeliveryError("missing", "The file has gone.");
    const source = testSource(content, { failAfterBytes: 0, error: gone });
    expect(await bench.fail(source, "a.bin", { deliveryId, begun: 2 })).toMatchObject({
      kind: "missing",
    });
    expect(await bench.disk.list()).toEqual([]);
  });
});
