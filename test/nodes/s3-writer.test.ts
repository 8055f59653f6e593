import { describe, expect, test } from "vitest";
import { useRuntime } from "./support/runtime";
import { bucket, credentialsOf, ends, s3Connection, s3Writer, useServers, watchers } from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

async function load(settings: Record<string, unknown> = {}): Promise<void> {
  const nodes = [
    s3Connection(servers),
    s3Writer(settings),
    ...ends("delivered", "failed"),
    ...watchers("writer"),
  ];
  await runtime.load(nodes, credentialsOf(servers));
}

const stored = (key: string) => servers.s3.buckets.get(bucket)?.objects.get(key);

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
    await runtime.status("writer", { fill: "green", text: "delivered a.txt, 5 B" });
  });
});
