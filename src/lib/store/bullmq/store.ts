import type { BackendFactory } from "bullmq";
import type { StoreBackend } from "../backend";
import type { DeliveryStore } from "../delivery-store";
import { createLazyBackend } from "../lazy-backend";
import { createLeaseStore } from "../lease-store";
import { classifyServerError } from "../server/errors";
import { serverKinds } from "../server/kinds";
import { openServerBackend } from "../server/store";
import { importClient, lookEveryMs, patienceMsOf, type ServerStoreContext } from "../server-access";
import { whileClocksAgree } from "../server-clock";
import type { Failure } from "../server-failure";
import type { BullmqStoreOptions, PostgresQueueStoreOptions, RedisStoreOptions } from "./options";
import { createQueuedBackend } from "./queued-backend";
import { createRedisBackend } from "./redis-backend";
import { checkRedis, checkRedisClock } from "./redis-checks";
import { openRedisDatabase } from "./redis-database";
import { classifyRedisError } from "./redis-errors";
import { createTickets, type Tickets, ticketOptions } from "./tickets";

/** The same trouble is told of once in so long. */
const toldEveryMs = 600_000;

type Classify = (error: unknown) => Failure;
interface Opened {
  records: StoreBackend;
  tickets: Tickets;
  classify: Classify;
}

/**
 * Keeps deliveries in Redis, Valkey or PostgreSQL, for any number of processes that share the work, each of
 * which is handed its share by a queue of BullMQ. Otherwise it is as `createServerStore`: leases, clocks,
 * and `local` while the server cannot be reached.
 */
export function createBullmqStore(
  options: BullmqStoreOptions,
  { now = Date.now, onNotice = () => {} }: ServerStoreContext = {},
): DeliveryStore {
  const backend = createLazyBackend(async () => {
    const opened = await (options.kind === "redis"
      ? openRedis(options, onNotice)
      : openPostgres(options, onNotice));
    const onProblem = tellOfQueue(opened.classify, onNotice);
    return createQueuedBackend(opened.records, opened.tickets, { now, onProblem });
  });
  return createLeaseStore(backend, { now, leaseMs: options.leaseMs, lookEveryMs });
}

async function openRedis(options: RedisStoreOptions, notify: (notice: string) => void): Promise<Opened> {
  const bullmq = await importClient("bullmq ioredis", "in Redis or Valkey", () => import("bullmq"));
  const database = await openRedisDatabase(options);
  try {
    await checkRedis(database, options, notify);
    const connection = { connection: database.client };
    const root = bullmq.createRedisBackend("deliveries", {
      ...ticketOptions(options.leaseMs),
      ...connection,
    });
    root.on("error", () => {});
    await root.waitUntilReady();
    return {
      records: whileClocksAgree(createRedisBackend(database), () =>
        checkRedisClock(database, options, () => {}),
      ),
      tickets: createTickets(root, options),
      classify: (error) => classifyRedisError(error, undefined, options),
    };
  } catch (error) {
    await database.close();
    throw classifyRedisError(error, undefined, options).error;
  }
}

async function openPostgres(
  options: PostgresQueueStoreOptions,
  notify: (notice: string) => void,
): Promise<Opened> {
  const bullmq = await importClient("bullmq pg", "in PostgreSQL, with queues", () => import("bullmq"));
  const server = { ...options, kind: "postgresql" } as const;
  const records = await openServerBackend(server, notify);
  const classify: Classify = (error) => classifyServerError(error, server);
  const connection = {
    ...(serverKinds.postgresql.connection(server) as Record<string, unknown>),
    schema: "data_distribution_queues",
    migrate: true,
    max: options.maxConnections,
    query_timeout: patienceMsOf(options),
    // A ticket that a power cut takes back is no harm, and waiting for the disk would be.
    options: "-c synchronous_commit=off",
  };
  const create: BackendFactory<
    ReturnType<typeof bullmq.createPostgresBackend>,
    typeof connection
  > = bullmq.createPostgresBackend;
  for (let tries = 1; ; tries++) {
    const root = create("deliveries", { ...ticketOptions(options.leaseMs), connection });
    root.on("error", () => {});
    const tickets = createTickets(root, options);
    try {
      await root.waitUntilReady();
      return { records, tickets, classify };
    } catch (thrown) {
      await tickets.close().catch(() => {});
      const { error, passes } = classify(thrown);
      // Others that come to an empty database at the same time make its schema one after the other.
      if (passes && tries < 3) continue;
      await records.close();
      throw error;
    }
  }
}

/** A queue that cannot be used slows deliveries down: an operator wants to know, but not each time. */
function tellOfQueue(classify: Classify, notify: (notice: string) => void): (error: unknown) => void {
  let toldMs = -Infinity;
  return (thrown) => {
    const { error, passes } = classify(thrown);
    if (passes || performance.now() - toldMs < toldEveryMs) return;
    toldMs = performance.now();
    notify(`${error.message} Deliveries are not handed out by its queue until then, only found by looking.`);
  };
}
