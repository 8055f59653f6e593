import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { S3RequestInfo } from "../../../demo/servers/s3/operations";
import {
  createBucketSpool,
  createS3ContentBucket,
  createSpool,
  DeliveryError,
  openSource,
  type S3Connection,
  type Spool,
} from "../../../src/lib";
import { type FaultProxy, startFaultProxy } from "../../support/fault-proxy";
import { bucket, startStore, type TestStore } from "../writers/s3-store";
import { failureOf, temporaryFolder } from "./folder";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const prefix = "shared/of-a-store/";
let store: TestStore;
let proxy: FaultProxy;
let folder: string;
let requests: string[];
let machines = 0;

beforeAll(async () => {
  store = await startStore();
  await store.client.send(new CreateBucketCommand({ Bucket: bucket }));
  proxy = await startFaultProxy(Number(new URL(store.server.endpoint).port));
  folder = temporaryFolder();
});
afterAll(async () => {
  await proxy.stop();
  await store.close();
});
beforeEach(() => {
  requests = [];
  store.onRequest = note;
});
afterEach(() => proxy.clear());

function note({ operation, key = "" }: S3RequestInfo): undefined {
  requests.push(`${operation} ${key.replace(prefix, "").slice(64)}`.trim());
}

/** A machine with an empty disk. */
function machine(connection: S3Connection = store.connect(), limits: { maxBytes?: number } = {}) {
  const nearFolder = path.join(folder, String(++machines));
  const content = createS3ContentBucket(connection, { bucket, prefix });
  const near = createSpool({ folder: nearFolder });
  const spool = createBucketSpool({ near, use: (work) => work(content), ...limits });
  return { spool, near, nearFolder };
}

const put = (spool: Spool, bytes: Uint8Array) => spool.put(Readable.from([bytes]));
const count = (operation: string) => requests.filter((request) => request.startsWith(operation)).length;
const keys = async () => (await store.list()).map((key) => key.replace(prefix, ""));

/** Of megabytes, the usual comparison makes gigabytes. */
const same = (found: Buffer, bytes: Uint8Array) => expect(found.equals(bytes)).toBe(true);

async function readOn(spool: Spool, { sha256, size }: { sha256: string; size: number }, start = 0) {
  const source = await openSource({ kind: "spool", name: "a.bin", sha256, size }, { spool });
  return buffer((await source.read({ start })).stream);
}

describe("content in a bucket", () => {
  test.each([0, 1, 70_000, 20 * 1024 * 1024])("of %i bytes is there for another machine", async (size) => {
    const bytes = randomBytes(size);
    const written = await put(machine().spool, bytes);
    expect(written.size).toBe(size);
    const { spool, nearFolder } = machine();
    expect(await spool.has(written.sha256, size)).toBe(true);
    expect(await spool.has(written.sha256, size + 1)).toBe(false);
    same(await readOn(spool, written), bytes);
    const start = Math.floor(size / 2);
    same(await readOn(spool, written, start), bytes.subarray(start));
    same(await buffer(spool.open(written.sha256)), bytes);
    // It is fetched once, and again when this machine has lost it.
    expect(count("GetObject")).toBe(size === 0 ? 0 : 1);
    rmSync(nearFolder, { recursive: true });
    same(await buffer(spool.open(written.sha256)), bytes);
  });

  test("is sent once, however many keep the same at once or later", async () => {
    const bytes = randomBytes(1_000);
    const [one, other] = [machine().spool, machine().spool];
    await Promise.all([put(one, bytes), put(one, bytes), put(one, bytes)]);
    await put(one, bytes);
    await put(other, bytes);
    expect(count("PutObject")).toBe(1);
  });

  test("is fetched once for all who wait for it, also when one of them is interrupted", async () => {
    const written = await put(machine().spool, randomBytes(1_000));
    const { spool } = machine();
    const interrupted = new AbortController();
    const [one, other] = [
      failureOf(spool.ready(written.sha256, written.size, interrupted.signal)),
      spool.ready(written.sha256, written.size),
    ];
    interrupted.abort();
    expect(await one).toMatchObject({ kind: "cancelled" });
    expect(await other).toBe(true);
    expect(count("GetObject")).toBe(1);
  });

  test("that was never there, or is cut off from its size, is not there", async () => {
    const { spool } = machine();
    const missing = "0".repeat(64);
    expect(await spool.has(missing)).toBe(false);
    expect(await spool.ready(missing)).toBe(false);
    const error = await failureOf(readOn(spool, { sha256: missing, size: 5 }));
    expect(error).toMatchObject({ kind: "local", code: "ENOENT", maxAttempts: 3 });
    expect(await failureOf(buffer(spool.open(missing)))).toMatchObject({ kind: "local", code: "ENOENT" });
  });

  test("that somebody has replaced is refused", async () => {
    const written = await put(machine().spool, Buffer.from("what was put"));
    await store.put(prefix + written.sha256, Buffer.from("what was not"));
    const error = await failureOf(machine().spool.ready(written.sha256, written.size));
    expect(error.kind).toBe("local");
    expect(error.message).toContain(`s3://${bucket}/${prefix}${written.sha256} is not what was put there`);
  });

  test("comes whole although the connection breaks, again and again", async () => {
    const bytes = randomBytes(3_000_000);
    const written = await put(machine().spool, bytes);
    const { spool } = machine(store.connect({ endpoint: `http://${proxy.host}:${proxy.port}` }));
    proxy.inject({ when: { at: "byte", n: 400_000, from: "server" }, do: "reset", times: 5 });
    same(await readOn(spool, written), bytes);
    expect(count("GetObject")).toBeGreaterThan(3);
  });
});

describe("a bucket that cannot do its work", () => {
  test("keeps nothing, and says in words why, as a fault of the store", async () => {
    store.onRequest = ({ operation }) =>
      operation === "PutObject" ? { answer: { status: 403, code: "AccessDenied" } } : undefined;
    const error = await failureOf(put(machine().spool, randomBytes(10)));
    expect(error).toMatchObject({ kind: "local", code: "AccessDenied", retryable: true });
    expect(error.message).toMatch(
      /^The bucket of the delivery store, s3:\/\/deliveries\/shared\/of-a-store\/, cannot keep the content: /,
    );
  });

  test("is a fault of the store also where it cannot even be had", async () => {
    const use = () => Promise.reject(new DeliveryError("invalid", "The chosen S3 connection is missing."));
    const spool = createBucketSpool({ near: machine().near, use });
    expect(await failureOf(spool.has("0".repeat(64)))).toMatchObject({
      kind: "local",
      message: "The bucket of the delivery store cannot be looked into: The chosen S3 connection is missing.",
    });
  });

  test("leaves a source's own error as it is", async () => {
    const { spool } = machine();
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from("a");
        throw Object.assign(new Error("gone"), { code: "ENOENT" });
      })(),
    );
    expect(await failureOf(spool.put(broken))).toMatchObject({ kind: "missing" });
  });
});

describe("pruning", () => {
  const nothing = async () => new Map<string, number>();
  const objects = () => store.server.buckets.get(bucket)?.objects ?? new Map();

  /** So much time passes for all that is in the bucket. */
  function pass(ms: number): void {
    for (const object of objects().values()) {
      Object.assign(object, { lastModified: new Date(object.lastModified.getTime() - ms) });
    }
  }
  beforeEach(() => objects().clear());

  test("removes what nobody needs any more, and nothing else", async () => {
    const { spool } = machine();
    const [old, needed] = [await put(spool, randomBytes(9)), await put(spool, randomBytes(8))];
    pass(8 * dayMs);
    const fresh = await put(spool, randomBytes(7));
    expect(await spool.prune(async () => new Map([[needed.sha256, Infinity]]))).toBe(1);
    expect((await keys()).sort()).toEqual([needed.sha256, fresh.sha256].sort());
    expect(await spool.has(old.sha256)).toBe(false);
  });

  test("what somebody is about to need counts as put, until it is old again", async () => {
    const { spool } = machine();
    const { sha256, size } = await put(spool, randomBytes(9));
    pass(6 * dayMs);
    expect(await machine().spool.has(sha256, size)).toBe(true);
    expect(await machine().spool.has(sha256, size)).toBe(true);
    expect(count("PutObject .needed")).toBe(1);
    pass(6 * dayMs);
    expect(await spool.prune(nothing)).toBe(0);
    pass(2 * dayMs);
    expect(await spool.prune(nothing)).toBe(1);
    expect(await keys()).toEqual([]);
  });

  test("keeps it small, oldest first, but nothing of the last hour", async () => {
    const { spool } = machine(undefined, { maxBytes: 25 });
    const contents = [];
    for (let n = 0; n < 4; n++) {
      if (n > 0) pass(2 * hourMs);
      contents.push((await put(spool, randomBytes(10))).sha256);
    }
    expect(await spool.prune(nothing)).toBe(2);
    expect((await keys()).sort()).toEqual(contents.slice(2).sort());
    await put(spool, randomBytes(30));
    expect(await spool.prune(nothing)).toBe(1);
    expect(await keys()).toHaveLength(2);
  });

  test("leaves what was needed again while it was being looked at", async () => {
    const { spool } = machine();
    const { sha256 } = await put(spool, randomBytes(9));
    pass(8 * dayMs);
    const removed = await spool.prune(async () => {
      await machine().spool.has(sha256);
      return new Map();
    });
    expect(removed).toBe(0);
    expect(await keys()).toContain(sha256);
  });

  test("does not look into what other stores keep in the same bucket", async () => {
    const { spool } = machine();
    await store.put(`shared/of-another/${"0".repeat(64)}`, Buffer.from("theirs"));
    pass(400 * dayMs);
    expect(await spool.prune(nothing)).toBe(0);
    expect(await keys()).toHaveLength(1);
  });
});

test("keys that may not look, and a bucket that is missing, are told as what they are here", async () => {
  store.onRequest = ({ operation }) =>
    operation === "HeadObject" ? { answer: { status: 403, body: "" } } : undefined;
  const denied = await failureOf(machine().spool.has("0".repeat(64)));
  expect(denied.message).toMatch(
    /Check the access key, and ask the bucket's owner for s3:ListBucket and s3:GetObject\.$/,
  );
  store.onRequest = () => ({ answer: { status: 404, code: "NoSuchBucket" } });
  const missing = await failureOf(put(machine().spool, randomBytes(10)));
  expect(missing).toMatchObject({ kind: "local", code: "NoSuchBucket" });
  expect(missing.message).toMatch(/has no bucket deliveries\. Create it, or correct its name\.$/);
});
