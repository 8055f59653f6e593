import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  createBucketSpool,
  createS3Connection,
  createS3ContentBucket,
  createServerStore,
  createSpool,
  DeliveryRunner,
  openSource,
  readS3ConnectionOptions,
  type ServerStoreOptions,
  type Spool,
} from "../../src/lib";
import { receipt } from "../lib/store/contract";
import { type FlowNode, useRuntime } from "../nodes/support/runtime";
import {
  bucket,
  credentialsOf,
  dataSource,
  ends,
  ftpConnection,
  ftpWriter,
  retry,
  s3Connection,
  useServers,
  watchers,
} from "../nodes/support/servers";
import type { DatabaseServer } from "../support/database-server";
import { postgresPath, startPostgres } from "../support/postgres";
import { requireTool } from "../support/required";

if (requireTool("postgresql", postgresPath)) {
  const servers = useServers();
  const runtime = useRuntime();
  let database: DatabaseServer;
  let options: ServerStoreOptions;
  let folder: string;

  beforeAll(async () => {
    database = await startPostgres();
  });
  afterAll(() => database?.stop());
  beforeEach(async () => {
    servers.ftp.hook = undefined;
    options = await database.createDatabase();
    folder = mkdtempSync(path.join(tmpdir(), "shared-folder-"));
    return () => rmSync(folder, { recursive: true, force: true });
  });

  type Settings = Record<string, unknown>;

  const flowWith = (settings: Settings, writer: Settings = {}, s3: Settings = {}): FlowNode[] => {
    const { kind, host, port, database: name } = options;
    const store = { kind, host, port: String(port), database: name, security: "none", leaseSeconds: "30" };
    return [
      ftpConnection(servers),
      s3Connection(servers, s3),
      { id: "store", type: "delivery-store", ...store, ...settings },
      ftpWriter({ store: "store", wires: [["delivered"], ["failed", "retry"]], ...writer }),
      retry({ preset: "custom", attempts: "3", firstDelaySeconds: "0.05", jitterPercent: "0" }),
      dataSource({
        kind: "function",
        func: "return 'x'.repeat(msg.length)",
        fileName: "made.txt",
        wires: [["writer"]],
      }),
      ...ends("delivered", "failed", "retrying", "gaveUp"),
      ...watchers("writer"),
    ];
  };
  const load = (settings: Settings = {}, writer: Settings = {}) => {
    const { user, password } = options;
    return runtime.load(flowWith(settings, writer), { ...credentialsOf(servers), store: { user, password } });
  };

  test("a writer's deliveries are in the database, and fail, wait and arrive from there", async () => {
    let failures = 2;
    servers.ftp.hook = (command) =>
      command === "STOR" && failures-- > 0 ? { reply: "450 Busy" } : undefined;
    await load();
    const id = runtime.send("writer", { payload: "hello", topic: "night" });
    await runtime.next("completed");
    const { delivery, ...rest } = await runtime.next("delivered");
    expect(rest).toEqual({ _msgid: id, payload: "hello", topic: "night" });
    expect(delivery).toMatchObject({ state: "delivered", attempt: 3 });
    expect(runtime.received("retrying")).toHaveLength(2);
    const rows = await database.query(
      "select id, state, queue from data_distribution_deliveries",
      options.database,
    );
    expect(rows).toBe(`${delivery.id}|delivered|writer`);
    expect(JSON.stringify([runtime.logged(), runtime.received("delivered")])).not.toContain(options.password);
  });

  test("what fails for good is given up in the database, once", async () => {
    servers.ftp.hook = (command) => (command === "STOR" ? { reply: "450 Busy" } : undefined);
    await load();
    runtime.send("writer", { payload: "hello" });
    expect((await runtime.next("gaveUp")).delivery).toMatchObject({ state: "gave-up", attempt: 3 });
    expect(await database.query("select state from data_distribution_deliveries", options.database)).toBe(
      "gave-up",
    );
  });

  test("content above 64 KiB is refused without a shared folder, and goes through one", async () => {
    await load();
    runtime.send("source", { length: 70_000 });
    expect((await runtime.next("failed")).error.message).toMatch(/More than 64 KiB .* shared folder/);
    await load({ spoolFolder: path.join(folder, "not-mounted") });
    runtime.send("source", { length: 70_000 });
    expect((await runtime.next("failed")).error).toMatchObject({ kind: "local" });
    await load({ spoolFolder: folder });
    runtime.send("source", { length: 70_000 });
    await runtime.next("delivered");
    expect(await readFile(path.join(servers.ftp.root, "made.txt"), "utf8")).toBe("x".repeat(70_000));
    const store = createServerStore(options);
    const identity = await store.agree("identity", "");
    await store.close();
    const files = readdirSync(path.join(folder, "data-distribution", identity));
    expect(files.filter((name) => !name.startsWith("mark-"))).toHaveLength(1);
  });

  const inBucket = { spool: "bucket", spoolConnection: "s3", spoolBucket: bucket, spoolPrefix: "of/all" };

  /** The bucket, as another machine has it that keeps nothing else. */
  function bucketElsewhere(identity: string): Spool {
    const { endpoint, accessKeyId, secretAccessKey } = servers.s3;
    const keys = { accessKeyId, secretAccessKey };
    const connection = createS3Connection(readS3ConnectionOptions({ endpoint, pathStyle: true, ...keys }));
    const content = createS3ContentBucket(connection, { bucket, prefix: `of/all/${identity}/` });
    const near = createSpool({ folder: path.join(folder, "of its own") });
    return createBucketSpool({ near, use: (work) => work(content) });
  }

  test("a bucket that cannot be used takes nothing, and small content does not need it", async () => {
    await load({ ...inBucket, spoolBucket: "nowhere-to-be-found" });
    runtime.send("source", { length: 70_000 });
    const { error } = await runtime.next("failed");
    expect(error).toMatchObject({ kind: "local", code: "NoSuchBucket" });
    expect(error.message).toMatch(/The bucket of the delivery store, s3:.* cannot .*send it anew/);
    const asked: string[] = [];
    let away = true;
    servers.s3.onRequest(({ operation }) => {
      if (!away) return undefined;
      asked.push(operation);
      return { answer: { status: 503, code: "SlowDown" } };
    });
    runtime.send("source", { length: 60_000 });
    await runtime.next("delivered");
    away = false;
    expect(asked).toEqual([]);
  });

  test("content goes through a bucket, also after a deploy of its connection alone", async () => {
    await load(inBucket);
    runtime.send("source", { length: 70_000 });
    await runtime.next("delivered");
    await runtime.deploy(flowWith(inBucket, {}, { name: "again" }));
    runtime.send("source", { length: 80_000 });
    await runtime.next("delivered");
    const sizes = [...(servers.s3.buckets.get(bucket)?.objects.values() ?? [])].map(({ bytes }) => bytes);
    expect(sizes.sort()).toEqual([70_000, 80_000]);
  });

  test.each([
    [60_000, "folder"],
    [80_000, "folder"],
    [80_000, "bucket"],
  ])("another machine can send %i bytes that this one accepted, by a %s", async (length, place) => {
    // This one accepts and cannot send.
    servers.ftp.hook = (command) => (command === "STOR" ? { reply: "550 Not here" } : undefined);
    mkdirSync(path.join(folder, "of its own"));
    await load(place === "bucket" ? inBucket : { spoolFolder: folder }, {
      wires: [["delivered"], ["failed"]],
    });
    runtime.send("source", { length });
    const { delivery } = await runtime.next("failed");
    const store = createServerStore(options);
    const identity = await store.agree("identity", "");
    const elsewhere =
      place === "bucket"
        ? bucketElsewhere(identity)
        : createSpool({
            folder:
              length < 65_536
                ? path.join(folder, "of its own")
                : path.join(folder, "data-distribution", identity),
          });
    const read: string[] = [];
    const runner = new DeliveryRunner({
      queue: "writer",
      store,
      async attempt({ source }) {
        const reading = await (await openSource(source, { spool: elsewhere })).read();
        read.push(Buffer.concat(await reading.stream.toArray()).toString());
        return receipt;
      },
      announce: () => {},
    });
    runner.start();
    await store.retryAt(delivery.id, Date.now());
    await expect.poll(() => read, { timeout: 20_000 }).toEqual(["x".repeat(length)]);
    await runner.close();
    await store.close();
  });

  test.each([200, 80_000])(
    "the result of %i bytes tells of content that another machine has, too",
    async (length) => {
      await load({ spoolFolder: folder });
      runtime.send("source", { length });
      const { source } = await runtime.next("delivered");
      const store = createServerStore(options);
      const identity = await store.agree("identity", "");
      await store.close();
      const elsewhere = createSpool({ folder: path.join(folder, "data-distribution", identity) });
      const reading = await (await openSource(source, { spool: elsewhere })).read();
      expect(Buffer.concat(await reading.stream.toArray()).toString()).toBe("x".repeat(length));
      // Whoever is told has it delivered further, although nothing of it is in his own spool.
      rmSync(path.join(runtime.userFolder, "data-distribution", "spool"), { recursive: true, force: true });
      runtime.send("writer", { source });
      expect((await runtime.next("delivered")).delivery.bytes).toBe(length);
    },
  );

  test("a database that cannot be reached: nothing is taken, and the message says why", async () => {
    await load({ port: "9" });
    runtime.send("writer", { payload: "hello" });
    const { error } = await runtime.next("caught");
    expect(error.message).toMatch(/cannot be used.*ECONNREFUSED/);
    expect(runtime.received("delivered")).toEqual([]);
  });
}
