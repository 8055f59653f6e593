import { redisPath, startRedis } from "../support/redis";
import { requireTool } from "../support/required";
import { describeStoreProcesses } from "./store-processes";

if (requireTool("redis-server", redisPath)) {
  const hasQueues = true;
  describeStoreProcesses("Redis", async () => startRedis(), hasQueues);
}
