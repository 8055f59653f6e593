import { describe, expect, test } from "vitest";
import { useS3Writer } from "./support/flows";
import { bucket } from "./support/servers";

const { servers, runtime, load, stored } = useS3Writer();

describe("the options of an S3 writer", () => {
  test("reach the object", async () => {
    await load({
      key: "options",
      contentDisposition: 'attachment; filename="{{source.name}}"',
      cacheControl: "max-age={{msg.seconds}}",
      tags: [
        { name: "team", value: "{{msg.team}}" },
        { name: "", value: "ignored" },
      ],
      storageClass: "STANDARD_IA",
      encryption: "AES256",
      acl: "bucket-owner-full-control",
    });
    runtime.send("writer", { payload: "x", seconds: 60, team: "night: day" });
    await runtime.next("delivered");
    expect(stored("options")?.settings).toMatchObject({
      headers: { "content-disposition": 'attachment; filename="payload.txt"', "cache-control": "max-age=60" },
      tags: { team: "night: day" },
      storageClass: "STANDARD_IA",
      encryption: { algorithm: "AES256" },
      acl: "bucket-owner-full-control",
    });
  });

  test("a link that a plain fetch follows", async () => {
    await load({ key: "linked", link: "true", linkHours: "1" });
    runtime.send("writer", { payload: "for everybody" });
    const { delivery } = await runtime.next("delivered");
    expect(await (await fetch(delivery.url)).text()).toBe("for everybody");
    const hours = (Date.parse(delivery.urlExpiresAt) - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(0.9);
    expect(hours).toBeLessThan(1.1);
  });

  test("no link unless asked for", async () => {
    await load({ key: "unlinked", link: false, linkHours: "nonsense" });
    runtime.send("writer", { payload: "x" });
    expect((await runtime.next("delivered")).delivery).not.toHaveProperty("url");
  });

  test("a missing bucket is made, with its rule", async () => {
    const lifecycle = {
      lifecycle: true,
      lifecyclePrefix: "logs/",
      lifecycleDays: "30",
      lifecycleStorageClass: "GLACIER",
    };
    await load({ bucket: "made-here", createBucket: true, ...lifecycle });
    runtime.send("writer", { payload: "x" });
    await runtime.next("delivered");
    expect(stored("payload.txt", "made-here")?.bytes).toBe(1);
    const rule = servers.s3.buckets.get("made-here")?.lifecycle;
    for (const part of ["logs/", "<Days>30</Days>", "GLACIER"]) expect(rule).toContain(part);
  });

  test("without that, a missing bucket is a failure", async () => {
    await load({ bucket: "nowhere-to-be-found" });
    runtime.send("writer", { payload: "x" });
    expect((await runtime.next("failed")).error).toMatchObject({
      kind: "missing",
      code: "NoSuchBucket",
      retryable: false,
    });
  });

  test.each([
    ["replace", { state: "delivered", target: "policy.txt" }, "second", undefined],
    ["keep-both", { state: "delivered", location: `s3://${bucket}/policy-1.txt` }, "first", "second"],
    ["fail", undefined, "first", undefined],
  ])("conflict %s", async (conflict, record, kept, beside) => {
    const objects = servers.s3.buckets.get(bucket)?.objects;
    for (const key of ["policy.txt", "policy-1.txt"]) objects?.delete(key);
    await load({ conflict, key: "policy.txt" });
    runtime.send("writer", { payload: "first" });
    await runtime.next("delivered");
    runtime.send("writer", { payload: "second" });
    if (record) expect((await runtime.next("delivered")).delivery).toMatchObject(record);
    else expect((await runtime.next("failed")).error).toMatchObject({ kind: "rejected" });
    expect(String(await servers.s3.read(bucket, "policy.txt"))).toBe(kept);
    expect((await servers.s3.read(bucket, "policy-1.txt"))?.toString()).toBe(beside);
  });

  test("conflict skip-identical", async () => {
    await load({ conflict: "skip-identical", key: "same.txt" });
    for (const state of ["delivered", "skipped"]) {
      runtime.send("writer", { payload: "same" });
      expect((await runtime.next("delivered")).delivery).toMatchObject({ state, target: "same.txt" });
    }
    await runtime.status("writer", { fill: "green", text: "skipped: same.txt is there already" });
  });
});
