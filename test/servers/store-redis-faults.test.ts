import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { createBullmqStore, type DeliveryStore, type RedisStoreOptions } from "../../src/lib";
import { attempt, draftOf, receipt } from "../lib/store/contract";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy";
import { type RedisServer, redisPath, startRedis } from "../support/redis";
import { requireTool } from "../support/required";

const stores: DeliveryStore[] = [];
const notices: string[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const store of stores.splice(0)) await store.close();
  notices.splice(0);
});

function open(options: RedisStoreOptions): DeliveryStore {
  const store = createBullmqStore(options, { onNotice: (notice) => notices.push(notice) });
  stores.push(store);
  return store;
}

async function problemOf(work: Promise<unknown>, password: string): Promise<string> {
  const error = (await work.then(
    () => expect.fail("It worked."),
    (thrown: unknown) => thrown,
  )) as Error & { kind?: string };
  expect(error.kind).toBe("local");
  expect(`${error.message}\n${error.stack}\n${error.cause}`).not.toContain(password);
  return error.message;
}

if (requireTool("redis-server", redisPath)) {
  let server: RedisServer;
  let proxy: FaultProxy;
  beforeAll(async () => {
    server = await startRedis({ appendfsync: "always" });
    proxy = await startFaultProxy(server.port);
  });
  afterAll(async () => {
    await proxy?.stop();
    await server?.stop();
  });
  /** The server does what it is asked, and the connection is lost instead of its answer. */
  const loseAnswerTo = (to: RegExp) => proxy.inject({ when: { at: "answer", to }, do: "reset" }).struck;
  /** A store behind the proxy, whose scripts the server knows already. */
  const openProxied = async () => {
    const options = { ...server.createDatabase(), port: proxy.port };
    const store = open(options);
    await store.accept(draftOf({ writer: { id: "other", type: "test", name: "" } }));
    const [claim] = await store.claim("other", "owner", 1);
    if (claim) await store.settle(claim, { state: "delivered", attempt, receipt });
    return store;
  };

  test("an accepted delivery whose answer was lost is accepted, once", async () => {
    const store = await openProxied();
    const draft = draftOf({ onceKey: "today" });
    const cut = loseAnswerTo(new RegExp(draft.id));
    expect(await store.accept(draft)).toMatchObject({ duplicate: false, delivery: { id: draft.id } });
    await cut;
    expect(await store.counts()).toMatchObject({ queued: 1 });
    expect(await store.accept(draft)).toMatchObject({ duplicate: true });
    expect(await store.claim("writer", "owner", 9)).toHaveLength(1);
  });

  test("a claim and a settlement whose answers were lost count", async () => {
    const store = await openProxied();
    const { delivery } = await store.accept(draftOf());
    let cut = loseAnswerTo(/sending/);
    const [claim] = await store.claim("writer", "owner", 1);
    await cut;
    if (!claim) return expect.fail("Nothing was claimed.");
    cut = loseAnswerTo(/delivered/);
    const settled = await store.settle(claim, { state: "delivered", attempt, receipt });
    await cut;
    expect(settled).toMatchObject({ id: delivery.id, state: "delivered", version: 3 });
    expect(await store.get(delivery.id)).toEqual(settled);
  });

  test("what the queue handed out, and nobody got, is found all the same, once", async () => {
    const store = await openProxied();
    const { delivery } = await store.accept(draftOf());
    // A word in the requests in which BullMQ gives a job out.
    const cut = loseAnswerTo(/lockDuration/);
    expect(await store.claim("writer", "owner", 9)).toMatchObject([{ delivery: { id: delivery.id } }]);
    await cut;
    expect(await open(server.createDatabase()).claim("writer", "owner", 9)).toEqual([]);
    expect(await store.claim("writer", "another", 9)).toEqual([]);
  });

  test("a server that has gone silent is left for one that answers", async () => {
    const store = await openProxied();
    proxy.now("silence");
    await store.accept(draftOf());
    expect(await store.counts("writer")).toMatchObject({ queued: 1 });
  });

  test("a server that is restarted is hardly noticed; one that is down is named, then used again", async () => {
    const options = { ...server.createDatabase(), leaseMs: 60_000 };
    const store = open(options);
    await store.accept(draftOf());
    await server.shutDown();
    const restarted = server.start();
    await store.accept(draftOf());
    await restarted;
    await server.kill();
    try {
      const problem = await problemOf(store.accept(draftOf()), options.password);
      expect(problem).toContain("ECONNREFUSED");
      expect(problem).toContain(`${options.port}`);
    } finally {
      await server.start();
    }
    await store.accept(draftOf());
    expect(await store.counts()).toMatchObject({ queued: 3 });
    expect(await store.claim("writer", "owner", 9)).toHaveLength(3);
  }, 120_000);

  test("a server whose memory is full takes nothing, says why, and goes on", async () => {
    const options = server.createDatabase();
    const store = open(options);
    await store.accept(draftOf());
    await server.command(0, "CONFIG", "SET", "maxmemory", "1");
    try {
      expect(await problemOf(store.accept(draftOf()), options.password)).toContain("memory is full");
      expect(await store.counts()).toMatchObject({ queued: 1 });
    } finally {
      await server.command(0, "CONFIG", "SET", "maxmemory", "0");
    }
    await store.accept(draftOf());
    expect(await store.counts()).toMatchObject({ queued: 2 });
  });

  test("a delivery that Redis has lost is in nobody's way", async () => {
    const database = server.createDatabase();
    const store = open(database);
    const lose = ({ id }: { id: string }) =>
      server.command(database.database, "DEL", `{data-distribution}:delivery:${id}`);
    const lost = draftOf({ onceKey: "tonight" });
    await store.accept(lost);
    const ended = draftOf();
    const first = draftOf();
    for (const draft of [ended, first, draftOf(), draftOf()]) await store.accept(draft);
    await lose(lost);
    const [claim] = await store.claim("writer", "owner", 1);
    if (!claim) return expect.fail("Nothing was claimed.");
    expect(claim.delivery.id).toBe(ended.id);
    const settled = await store.settle(claim, { state: "delivered", attempt, receipt });
    await store.markAnnounced(ended.id, settled?.version ?? 0);
    await lose(ended);
    await lose(first);
    expect(await store.accept(draftOf({ onceKey: "tonight" }))).toMatchObject({ duplicate: false });
    // A page that is short would look like the last one.
    expect((await store.list({}, { limit: 2 })).next).toBeDefined();
    expect((await store.list({})).deliveries).toHaveLength(3);
    expect(await store.counts()).toMatchObject({ queued: 3, delivered: 0 });
    expect(await store.prune({ olderThanMs: 0, keep: 0 })).toBe(1);
    expect(await store.claim("writer", "owner", 9)).toHaveLength(3);
    expect(await store.nextDueAt("writer")).toBeGreaterThan(Date.now());
  });

  test("what is wrong with the settings is said in words, without the password", async () => {
    const options = server.createDatabase();
    const problem = (changes: Partial<RedisStoreOptions>) =>
      problemOf(open({ ...options, ...changes }).counts(), changes.password || options.password);
    expect(await problem({ password: "Wr0ng-Secret" })).toContain("refuses the login");
    expect(await problem({ user: "nobody" })).toContain("refuses the login");
    expect(await problem({ database: 100_000 })).toContain("no database of this number");
    expect(await problem({ host: "nowhere.invalid" })).toContain("not known");
    await server.command(0, "ACL", "SETUSER", "reader", "on", ">Read-Secret", "~*", "+@read", "+@connection");
    expect(await problem({ user: "reader", password: "Read-Secret" })).toContain("lacks rights");
    await server.command(0, "REPLICAOF", "127.0.0.1", "1");
    expect(await problemOf(open(options).accept(draftOf()), options.password)).toContain("as a replica does");
    await server.command(0, "REPLICAOF", "NO", "ONE");
    await open(options).accept(draftOf());
  });

  test("TLS is checked against the authority, and never left", async () => {
    const options: RedisStoreOptions = { ...server.createDatabase(), security: "tls", port: server.tlsPort };
    expect(await problemOf(open(options).counts(), options.password)).toContain("not signed by a known");
    await open({ ...options, ca: server.ca }).counts();
    await open({ ...options, verifyCertificate: false }).counts();
    const clear = { ...options, port: server.port, ca: server.ca };
    expect(await problemOf(open(clear).counts(), options.password)).toMatch(/closed the connection|TLS/);
  });

  test("a clock that is wrong is told of, and one that is very wrong is not worked with", async () => {
    const options = server.createDatabase();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 10_000 });
    await open(options).counts();
    expect(notices).toEqual([expect.stringContaining(" s behind")]);
    vi.setSystemTime(Date.now() + 30_000);
    expect(await problemOf(open(options).counts(), options.password)).toMatch(
      /is \d\d s ahead of .* the store is not used/,
    );
  });

  test("a server that forgets, or throws away, is warned of in plain words", async () => {
    await open(server.createDatabase()).counts();
    expect(notices).toEqual([]);
    const everySecond = await startRedis({ "maxmemory-policy": "allkeys-lru" });
    const asInstalled = await startRedis({ appendonly: "no" });
    try {
      await open(everySecond.createDatabase()).counts();
      expect(notices.splice(0)).toEqual([
        expect.stringMatching(/last second or two .*appendfsync everysec/),
        expect.stringMatching(/throws deliveries away .*allkeys-lru/),
      ]);
      await open(asInstalled.createDatabase()).counts();
      expect(notices).toEqual([expect.stringMatching(/forgets .* set appendonly yes/)]);
    } finally {
      await everySecond.stop();
      await asInstalled.stop();
    }
  });
}
