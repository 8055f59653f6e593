import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { RedisStoreOptions } from "../../src/lib";
import { type FlowNode, useRuntime } from "../nodes/support/runtime";
import {
  credentialsOf,
  ends,
  ftpConnection,
  ftpWriter,
  retry,
  useServers,
  watchers,
} from "../nodes/support/servers";
import { type RedisServer, redisPath, startRedis } from "../support/redis";
import { requireTool } from "../support/required";

if (requireTool("redis-server", redisPath)) {
  const servers = useServers();
  const runtime = useRuntime();
  let redis: RedisServer;
  let options: RedisStoreOptions;

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());
  beforeEach(() => {
    servers.ftp.hook = undefined;
    options = redis.createDatabase();
  });

  const load = (settings: Record<string, unknown> = {}) => {
    const { kind, host, port, database, user, password } = options;
    const store = { kind, host, port: String(port), database: String(database), security: "none" };
    const nodes: FlowNode[] = [
      ftpConnection(servers),
      { id: "store", type: "delivery-store", ...store, leaseSeconds: "30", ...settings },
      ftpWriter({ store: "store", wires: [["delivered"], ["failed", "retry"]] }),
      retry({ preset: "custom", attempts: "3", firstDelaySeconds: "0.05", jitterPercent: "0" }),
      ...ends("delivered", "failed", "retrying", "gaveUp"),
      ...watchers("writer"),
    ];
    return runtime.load(nodes, { ...credentialsOf(servers), store: { user, password } });
  };

  test("a writer's deliveries are in Redis, and fail, wait and arrive from there", async () => {
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
    const key = `{data-distribution}:delivery:${delivery.id}`;
    expect(await redis.command(options.database, "HMGET", key, "queue", "state")).toBe("writer\ndelivered");
    const logged = JSON.stringify(runtime.logged());
    expect(logged).toContain("appendfsync everysec");
    expect(logged + JSON.stringify(runtime.received("delivered"))).not.toContain(options.password);
  });

  test("content above 64 KiB is refused without a shared folder", async () => {
    await load();
    runtime.send("writer", { payload: "x".repeat(70_000) });
    expect((await runtime.next("caught")).error.message).toMatch(/More than 64 KiB .* shared folder/);
  });

  test("a Redis that cannot be reached: nothing is taken, and the message says why", async () => {
    await load({ port: "9" });
    runtime.send("writer", { payload: "hello" });
    const { error } = await runtime.next("caught");
    expect(error.message).toMatch(/cannot be used.*ECONNREFUSED/);
    expect(runtime.received("delivered")).toEqual([]);
  });
}
