import { afterAll, beforeAll } from "vitest";
import { createBullmqStore, type RedisStoreOptions } from "../../src/lib";
import { describeStoreContract } from "../lib/store/contract";
import { type RedisServer, redisPath, startRedis } from "../support/redis";
import { requireTool } from "../support/required";

if (requireTool("redis-server", redisPath)) {
  let server: RedisServer;
  let options: RedisStoreOptions;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  describeStoreContract({
    name: "Redis, with queues of BullMQ",
    leaseMs: 30_000,
    createStore: ({ now }) => {
      options = server.createDatabase();
      return createBullmqStore(options, { now });
    },
    openAgain: ({ now }) => createBullmqStore(options, { now }),
  });
}
