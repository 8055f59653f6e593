import { createPostgresBackend, createRedisBackend, type IQueueBackend } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type BullmqStoreOptions, createBullmqStore, type DeliveryStore } from "../../src/lib";
import { createTickets, ticketOptions } from "../../src/lib/store/bullmq/tickets";
import { attempt, draftOf, errorRecord, receipt } from "../lib/store/contract";
import { postgresPath, startPostgres } from "../support/postgres";
import { redisPath, startRedis } from "../support/redis";
import { requireTool } from "../support/required";

/** A server, and BullMQ's own view of it. */
interface Bench {
  createDatabase(): Promise<BullmqStoreOptions>;
  /** What the store's queues are made of, by a connection of its own. */
  connect(options: BullmqStoreOptions): IQueueBackend;
  /** Removes all that BullMQ keeps. */
  forget(options: BullmqStoreOptions): Promise<unknown>;
  /** Has all locks end at once, and BullMQ look for them again. */
  endLocks(options: BullmqStoreOptions): Promise<unknown>;
  stop(): Promise<void>;
}

const queuePrefix = "{data-distribution}:queue:";

async function startRedisBench(): Promise<Bench> {
  const server = await startRedis();
  const clients: Redis[] = [];
  const remove = async (options: BullmqStoreOptions, pattern: string) => {
    const database = Number(options.database);
    const keys = await server.command(database, "KEYS", `${queuePrefix}*${pattern}`);
    if (keys !== "") await server.command(database, "DEL", ...keys.split("\n"));
  };
  return {
    createDatabase: async () => server.createDatabase(),
    connect: ({ port, database }) => {
      const connection = new Redis({ port, db: Number(database) });
      clients.push(connection);
      return createRedisBackend("test", { ...ticketOptions(30_000), connection });
    },
    forget: (options) => remove(options, ""),
    endLocks: async (options) => {
      await remove(options, ":lock");
      await remove(options, ":stalled-check");
    },
    async stop() {
      for (const client of clients) client.disconnect();
      await server.stop();
    },
  };
}

async function startPostgresBench(): Promise<Bench> {
  const server = await startPostgres();
  const schema = "data_distribution_queues";
  const query = (sql: string, { database }: BullmqStoreOptions) => server.query(sql, String(database));
  return {
    createDatabase: async () => ({ ...(await server.createDatabase()), kind: "postgresql-queue" }),
    connect: ({ host, port, database, user, password }) => {
      const connection = { host, port, database: String(database), user: String(user), password, schema };
      return createPostgresBackend("test", { ...ticketOptions(30_000), connection });
    },
    forget: (options) => query(`truncate ${schema}.job cascade`, options),
    endLocks: (options) =>
      query(`update ${schema}.job set locked_until_ms = 1; delete from ${schema}.meta`, options),
    stop: () => server.stop(),
  };
}

const benches = [
  { name: "Redis", tool: "redis-server", program: redisPath, start: startRedisBench },
  { name: "PostgreSQL", tool: "postgresql", program: postgresPath, start: startPostgresBench },
];

for (const { name, tool, program, start } of benches) {
  if (!requireTool(tool, program)) continue;
  describe(name, () => {
    let bench: Bench;
    let options: BullmqStoreOptions;
    const closing: { close(): Promise<unknown> }[] = [];
    beforeAll(async () => {
      bench = await start();
      options = await bench.createDatabase();
    });
    afterEach(async () => {
      for (const one of closing.splice(0).reverse()) await one.close();
    });
    afterAll(() => bench?.stop());

    const open = (): DeliveryStore => {
      const notices: string[] = [];
      const store = createBullmqStore(options, { onNotice: (notice) => notices.push(notice) });
      closing.push(store);
      closing.push({
        close: async () => expect(notices.filter((notice) => notice.includes("queue"))).toEqual([]),
      });
      return store;
    };
    const connect = () => {
      const backend = bench.connect(options);
      closing.push(backend);
      return backend;
    };
    const writerOf = (id: string) => ({ writer: { id, type: "test", name: "" } });

    test("BullMQ has a queue for each writer: what is due, what waits, what is being sent", async () => {
      const store = open();
      const queue = "tab:writer/1";
      const jobs = connect().forQueue(encodeURIComponent(queue));
      const counts = async () => jobs.getCounts(["waiting", "delayed", "active"]);
      for (let n = 0; n < 3; n++) await store.accept(draftOf(writerOf(queue)));
      expect(await counts()).toEqual([3, 0, 0]);
      const claims = await store.claim(queue, "owner", 2);
      expect(await counts()).toEqual([1, 0, 2]);
      const [one, other] = claims;
      if (!one || !other) return expect.fail("Two were not claimed.");
      await store.settle(one, { state: "failed", attempt, error: errorRecord });
      await store.settle(other, { state: "delivered", attempt, receipt });
      expect(await counts()).toEqual([1, 0, 0]);
      await store.retryAt(one.delivery.id, Date.now() + 60_000);
      expect(await counts()).toEqual([1, 1, 0]);
      await store.claim(queue, "owner", 9);
      expect(await counts()).toEqual([0, 1, 1]);
    });

    test("what BullMQ forgets is delivered all the same, by one of those who look", async () => {
      const stores = [open(), open()];
      const drafts = Array.from({ length: 20 }, () => draftOf(writerOf("forgotten")));
      for (const draft of drafts) await stores[0]?.accept(draft);
      await bench.forget(options);
      const claims = await Promise.all(stores.map((store) => store.claim("forgotten", "owner", 20)));
      const ids = claims.flat().map(({ delivery }) => delivery.id);
      expect(ids.sort()).toEqual(drafts.map(({ id }) => id).sort());
    });

    test("a delivery that has no ticket has its turn although the queue never is empty", async () => {
      const queue = writerOf("busy");
      const { delivery } = await open().accept(draftOf(queue));
      await bench.forget(options);
      const store = open();
      const claimed: string[] = [];
      for (let n = 0; n < 10; n++) {
        for (let more = 0; more < 2; more++) await store.accept(draftOf(queue));
        for (const claim of await store.claim("busy", "owner", 1)) {
          claimed.push(claim.delivery.id);
          await store.settle(claim, { state: "delivered", attempt, receipt });
        }
      }
      expect(claimed).toContain(delivery.id);
      expect(new Set(claimed).size).toBe(10);
      // Whoever was claimed without its ticket leaves none behind.
      const rest = await store.claim("busy", "owner", 99);
      expect(rest).toHaveLength(11);
      const jobs = connect().forQueue("busy");
      expect(await jobs.getCounts(["waiting", "delayed", "active"])).toEqual([0, 0, 11]);
    });

    test("a delivery whose process dies again and again is never failed by BullMQ", async () => {
      const jobs = connect();
      const processes = () => createTickets(jobs, { leaseMs: 30_000 });
      await processes().issue("dying", "one", 0);
      for (let death = 0; death < 5; death++) {
        expect(await processes().draw("dying"), `after ${death} deaths`).toBe("one");
        // It takes a second look to tell that a lock has ended.
        await bench.endLocks(options);
        await processes().recover("dying");
        expect(await processes().draw("dying")).toBeUndefined();
        await bench.endLocks(options);
        await processes().recover("dying");
      }
      const last = processes();
      expect(await last.draw("dying")).toBe("one");
      await last.drop("dying", "one");
      expect(await jobs.forQueue("dying").getCounts(["waiting", "active", "failed", "completed"])).toEqual([
        0, 0, 0, 0,
      ]);
    });

    test("a ticket that another process has meanwhile is left to it", async () => {
      const jobs = connect();
      const [slow, quick] = [
        createTickets(jobs, { leaseMs: 30_000 }),
        createTickets(jobs, { leaseMs: 30_000 }),
      ];
      await slow.issue("lost", "one", 0);
      await slow.draw("lost");
      await bench.endLocks(options);
      await slow.recover("lost");
      await bench.endLocks(options);
      await quick.recover("lost");
      expect(await quick.draw("lost")).toBe("one");
      await slow.keep("lost", "one");
      await slow.giveBack("lost", "one", 0);
      await slow.drop("lost", "one");
      expect(await jobs.forQueue("lost").getCounts(["waiting", "delayed", "active"])).toEqual([0, 0, 1]);
    });
  });
}
