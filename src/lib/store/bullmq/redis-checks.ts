import type { Redis } from "ioredis";
import { DeliveryError } from "../../errors";
import { checkClock } from "../server-clock";
import type { RedisStoreOptions } from "./options";
import type { RedisDatabase } from "./redis-database";

/** What BullMQ's scripts need. */
const oldestMajor = 5;

/** @throws DeliveryError `local` as `checkClock` does */
export function checkRedisClock(
  { ask }: RedisDatabase,
  { host, leaseMs }: RedisStoreOptions,
  notify: (notice: string) => void,
): Promise<void> {
  const readServerMs = async () => {
    const [seconds, microseconds] = await ask((client) => client.time());
    return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
  };
  return checkClock(readServerMs, { server: `Redis at ${host}`, leaseMs }, notify);
}

/**
 * Looks at the server's clock, and at whether it keeps what it acknowledges: by default Redis does not.
 * https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ and …/reference/eviction/
 * @throws DeliveryError `local` as `checkClock` does, or when it is too old
 */
export async function checkRedis(
  redis: RedisDatabase,
  options: RedisStoreOptions,
  notify: (notice: string) => void,
): Promise<void> {
  const { ask } = redis;
  const { host, database } = options;
  const where = `Redis at ${host}`;
  // Its client goes on in database 0 when there is no such number.
  await ask((client) => client.select(database));
  await checkRedisClock(redis, options, notify);
  const told = new Map((await ask((client) => client.info())).split(/\r?\n/).map(nameAndValue));
  const version = told.get("redis_version") ?? "";
  if (Number.parseInt(version, 10) < oldestMajor) {
    throw new DeliveryError(
      "local",
      `${where} is too old (${version}). Install version ${oldestMajor} or later.`,
    );
  }
  const fsync = await ask(readFsync);
  if (told.get("aof_enabled") === "0") {
    notify(
      `${where} forgets what it has acknowledged when it is killed or loses its power: it keeps no log. ` +
        "For deliveries that must not be lost set appendonly yes and appendfsync always there.",
    );
  } else if (fsync !== undefined && fsync !== "always") {
    notify(
      `${where} can lose the deliveries of the last ${fsync === "no" ? "half minute" : "second or two"} when ` +
        `its machine loses its power (appendfsync ${fsync}). Set appendfsync always if that must not be.`,
    );
  }
  const policy = told.get("maxmemory_policy");
  if (policy !== undefined && policy !== "noeviction") {
    notify(
      `${where} throws deliveries away when its memory is full (maxmemory-policy ${policy}). ` +
        "Set maxmemory-policy noeviction there: then it refuses new ones instead.",
    );
  }
}

/** Undefined where that is not told: hosted servers allow no CONFIG. */
async function readFsync(client: Redis): Promise<string | undefined> {
  try {
    const answer = (await client.config("GET", "appendfsync")) as string[];
    return answer[1];
  } catch (error) {
    if (error instanceof Error && error.name === "ReplyError") return undefined;
    throw error;
  }
}

function nameAndValue(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1)];
}
