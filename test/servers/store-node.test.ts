import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  createServerStore,
  createSpool,
  DeliveryRunner,
  openSource,
  type ServerStoreOptions,
} from "../../src/lib";
import { receipt } from "../lib/store/contract";
import { type FlowNode, useRuntime } from "../nodes/support/runtime";
import {
  credentialsOf,
  dataSource,
  ends,
  ftpConnection,
  ftpWriter,
  retry,
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

  const load = (settings: Record<string, unknown> = {}, writer: Record<string, unknown> = {}) => {
    const { kind, host, port, database: name, user, password } = options;
    const store = { kind, host, port: String(port), database: name, security: "none", leaseSeconds: "30" };
    const nodes: FlowNode[] = [
      ftpConnection(servers),
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
    return runtime.load(nodes, { ...credentialsOf(servers), store: { user, password } });
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
    expect(readdirSync(path.join(folder, "data-distribution"))).toHaveLength(1);
  });

  test.each([60_000, 80_000])("another machine can send %i bytes that this one accepted", async (length) => {
    const elsewhere = createSpool({
      folder: length < 65_536 ? path.join(folder, "of its own") : path.join(folder, "data-distribution"),
    });
    // This one accepts and cannot send.
    servers.ftp.hook = (command) => (command === "STOR" ? { reply: "550 Not here" } : undefined);
    mkdirSync(path.join(folder, "of its own"));
    await load({ spoolFolder: folder }, { wires: [["delivered"], ["failed"]] });
    runtime.send("source", { length });
    const { delivery } = await runtime.next("failed");
    const store = createServerStore(options);
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

  test("a database that cannot be reached: nothing is taken, and the message says why", async () => {
    await load({ port: "9" });
    runtime.send("writer", { payload: "hello" });
    const { error } = await runtime.next("caught");
    expect(error.message).toMatch(/cannot be used.*ECONNREFUSED/);
    expect(runtime.received("delivered")).toEqual([]);
  });
}
