import { isIP } from "node:net";
import type { Redis } from "ioredis";
import { DeliveryError } from "../../errors";
import { importClient, patienceMsOf } from "../server-access";
import { createPatience } from "../server-failure";
import type { RedisStoreOptions } from "./options";
import { classifyRedisError } from "./redis-errors";
import { scripts } from "./redis-scripts";

export type ScriptName = keyof typeof scripts;

/** One connection to a Redis or Valkey, which is made again when it is lost. */
export interface RedisDatabase {
  readonly client: Redis;
  /**
   * May run a script again when its answer was lost: then it may have been done before.
   * @throws DeliveryError `local`
   */
  run(script: ScriptName, values: readonly string[]): Promise<unknown>;
  /** Does what is no script, with the same patience. */
  ask<T>(work: (client: Redis) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Between tries to make the connection. */
const longestPauseMs = 1_000;

/** @throws DeliveryError `local` when it cannot be reached, or its client is not installed */
export async function openRedisDatabase(options: RedisStoreOptions): Promise<RedisDatabase> {
  const { Redis } = await importClient("bullmq ioredis", "in Redis or Valkey", () => import("ioredis"));
  const patienceMs = patienceMsOf(options);
  const client = new Redis(clientOptions(options, patienceMs));
  let closed = false;
  let earlier: unknown;
  client.on("error", (error: unknown) => {
    earlier = error;
  });
  client.on("ready", () => {
    earlier = undefined;
  });
  for (const [name, lua] of Object.entries(scripts)) {
    client.defineCommand(commandOf(name), { numberOfKeys: 0, lua });
  }

  const { patiently, end } = createPatience(patienceMs, (thrown) =>
    classifyRedisError(thrown, earlier, options),
  );
  const ask = <T>(work: (client: Redis) => Promise<T>): Promise<T> =>
    patiently(async () => {
      if (closed) throw new DeliveryError("local", "The delivery store was closed.");
      try {
        return await work(client);
      } catch (error) {
        // A server that has gone silent does not come back on the same connection.
        if (isTimeout(error)) client.disconnect(true);
        throw error;
      }
    });

  return {
    client,
    ask,
    run: (script, values) =>
      ask((redis) => commandsOf(redis)[commandOf(script)]?.(...values) ?? never(script)),
    async close() {
      closed = true;
      end();
      client.disconnect();
    },
  };
}

function clientOptions(options: RedisStoreOptions, patienceMs: number) {
  const { host, port, database, user, password, security, ca, verifyCertificate, connectTimeoutMs } = options;
  return {
    ...{ host, port, db: database, connectTimeout: connectTimeoutMs },
    ...(user !== undefined && { username: user }),
    ...(password !== "" && { password }),
    ...(security === "tls" && {
      tls: {
        rejectUnauthorized: verifyCertificate,
        ...(ca && { ca }),
        ...(isIP(host) === 0 && { servername: host }),
      },
    }),
    connectionName: "data-distribution",
    protocol: 2 as const,
    // What was under way when the connection was lost is tried again here, where it is known to be safe.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // A connection on which nothing comes any more leaves time for one on which something does.
    commandTimeout: patienceMs / 2,
    retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), longestPauseMs),
  };
}

type Command = (...values: string[]) => Promise<unknown>;
const commandOf = (name: string) => `deliveries:${name}`;
const commandsOf = (client: Redis) => client as unknown as Record<string, Command | undefined>;

function never(script: string): never {
  throw new Error(`The script ${script} was not defined.`);
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof Error && /timed out/i.test(thrown.message);
}
