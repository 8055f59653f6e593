import { describe, expect, test } from "vitest";
import { useRuntime } from "./support/runtime";
import { bucket, credentialsOf, ends, s3Connection, s3Writer, useServers } from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

/** Sends one message through an S3 writer and gives what came out of its two outputs first. */
async function deliver(contentType: string) {
  const writer = s3Writer({ key: "a.dat", contentType, wires: [["end"], ["end"]] });
  await runtime.load([s3Connection(servers), writer, ...ends("end")], credentialsOf(servers));
  runtime.send("writer", { payload: "x", metadata: { type: "text/csv" } });
  return runtime.next("end");
}

describe("the content type of an S3 writer", () => {
  test.each([
    ["text/plain; charset=utf-8", "text/plain; charset=utf-8"],
    ["{{metadata.type}}", "text/csv"],
    ["", "application/octet-stream"],
  ])("%j is stored as %s", async (template, stored) => {
    expect(await deliver(template)).toMatchObject({ delivery: { state: "delivered" } });
    expect(servers.s3.buckets.get(bucket)?.objects.get("a.dat")?.settings.contentType).toBe(stored);
  });

  test("one that is none is refused before anything is sent", async () => {
    expect(await deliver("csv")).toMatchObject({
      error: { kind: "invalid", message: expect.stringContaining("contentType must be a media type") },
    });
  });
});
