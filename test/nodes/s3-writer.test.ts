import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { useS3Writer } from "./support/flows";
import { bucket } from "./support/servers";

const { servers, runtime, load, stored } = useS3Writer();

describe("the message that an S3 writer passes on", () => {
  test("keeps everything and gains the delivery", async () => {
    await load({ metadata: [{ name: "by", value: "{{msg.topic}}" }] });
    const source = { kind: "text", name: "a.txt", text: "hello" };
    const payload = { kind: "file", path: "/etc/passwd" };
    const id = runtime.send("writer", { source, payload, topic: "night", metadata: { title: "A", n: 1 } });
    const { delivery, ...rest } = await runtime.next("delivered");
    expect(rest).toEqual({
      _msgid: id,
      source,
      payload,
      topic: "night",
      metadata: { title: "A", n: "1", by: "night" },
    });
    expect(delivery).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      state: "delivered",
      writer: { id: "writer", type: "delivery-s3-writer", name: "To S3" },
      target: "a.txt",
      location: `s3://${bucket}/a.txt`,
      bytes: 5,
      sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
      etag: expect.stringContaining("5d41402abc4b2a76b9719d911017c592"),
      verified: "checksum",
      notes: [],
      attempt: 1,
      attempts: [{ n: 1, startedAt: expect.any(String), elapsedMs: expect.any(Number) }],
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      finishedAt: expect.stringMatching(/Z$/),
      elapsedMs: expect.any(Number),
    });
    expect(stored("a.txt")?.settings.metadata).toMatchObject({ title: "A", n: "1", by: "night" });
    await runtime.next("completed");
    expect(runtime.received("caught")).toEqual([]);
    await runtime.status("writer", { fill: "green", text: "delivered a.txt, 5 B, checksum compared" });
  });

  test("holds the request and the response that came with it", async () => {
    await load();
    const answered = new Promise<string>((resolve, reject) => {
      const server = createServer((req, res) => runtime.send("writer", { payload: "x", req, res }));
      server.listen(0, "127.0.0.1", async () => {
        const { port } = server.address() as AddressInfo;
        await fetch(`http://127.0.0.1:${port}`)
          .then((response) => response.text())
          .then(resolve, reject);
        server.close();
      });
    });
    const { req, res, delivery } = await runtime.next("delivered");
    expect(req.headers.host).toMatch(/^127/);
    res.end(delivery.state);
    expect(await answered).toBe("delivered");
  });

  test("is not touched by what the flow does to it while it is sent", async () => {
    await load({ key: "late" });
    const held = servers.s3.onRequest(() => ({ delayMs: 200 }));
    const msg = { payload: { n: 1 }, topic: "as accepted", _msgid: "m" };
    runtime.send("writer", msg);
    msg.payload.n = 2;
    expect(await runtime.next("delivered")).toMatchObject({ payload: { n: 1 }, topic: "as accepted" });
    held();
    expect(String(await servers.s3.read(bucket, "late"))).toBe('{"n":1}');
  });
});

describe("what an S3 writer delivers", () => {
  test.each<[string, Record<string, unknown>, string, string, string]>([
    ["a text", { payload: "text" }, "payload.txt", "text", "text/plain"],
    ["a Buffer", { payload: Buffer.from([1, 2]) }, "payload.bin", "\u0001\u0002", "application/octet-stream"],
    [
      "what looks like a file's source",
      { payload: { kind: "file", path: "/etc/passwd" } },
      "payload.json",
      '{"kind":"file","path":"/etc/passwd"}',
      "application/json",
    ],
    ["a named payload", { payload: "a,b", filename: "/data/in/list.csv" }, "list.csv", "a,b", "text/csv"],
    [
      "the source before the payload",
      { payload: "p", source: { kind: "text", name: "s.json", text: "{}" } },
      "s.json",
      "{}",
      "application/json",
    ],
    [
      "a source with a type of its own",
      { source: { kind: "text", name: "s.bin", text: "x", contentType: "text/x" } },
      "s.bin",
      "x",
      "text/x",
    ],
  ])("%s", async (_, msg, key, content, contentType) => {
    await load();
    runtime.send("writer", msg);
    expect((await runtime.next("delivered")).delivery.target).toBe(key);
    expect(String(await servers.s3.read(bucket, key))).toBe(content);
    expect(stored(key)?.settings.contentType).toMatch(new RegExp(`^${contentType}`));
  });

  test("a file, under a key with the date and in folders", async () => {
    const file = path.join(runtime.folder, "big.bin");
    await writeFile(file, Buffer.alloc(6 * 1024 ** 2, 7));
    await load({ key: "{{metadata.area}}/{{yyyy}}/{{source.name}}", partMegabytes: "5" });
    runtime.send("writer", {
      source: { kind: "file", name: "big.bin", path: file },
      metadata: { area: "n" },
    });
    const { delivery } = await runtime.next("delivered");
    expect(delivery.target).toBe(`n/${new Date().getFullYear()}/big.bin`);
    expect(stored(delivery.target)?.partBytes).toHaveLength(2);
    const chunks = await createReadStream(file).toArray();
    expect(
      Buffer.concat(chunks).equals((await servers.s3.read(bucket, delivery.target)) ?? Buffer.of()),
    ).toBe(true);
  });
});
