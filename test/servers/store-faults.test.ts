import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createServerStore, type DeliveryStore, type ServerStoreOptions } from "../../src/lib";
import { attempt, draftOf, receipt } from "../lib/store/contract";
import type { DatabaseServer } from "../support/database-server";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy";
import { mariadbPath, startMariadb } from "../support/mariadb";
import { postgresPath, startPostgres } from "../support/postgres";
import { requireTool } from "../support/required";

const stores: DeliveryStore[] = [];
const notices: string[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const store of stores.splice(0)) await store.close();
  notices.splice(0);
});

function open(options: ServerStoreOptions): DeliveryStore {
  const store = createServerStore(options, { onNotice: (notice) => notices.push(notice) });
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

const table = "data_distribution_deliveries";

/** The server does what it is asked, and the connection is lost instead of its answer. */
function loseAnswerTo(proxy: FaultProxy, statement: RegExp): Promise<void> {
  return proxy.inject({ when: { at: "answer", to: statement }, do: "reset" }).struck;
}

const servers = [
  {
    ...{ name: "PostgreSQL", tool: "postgresql", program: postgresPath, start: () => startPostgres() },
    takeRights: "revoke create on schema public from public; alter schema public owner to admin",
    lockFor: (s: number) => `begin; lock table ${table} in exclusive mode; select pg_sleep(${s}); commit`,
    insert: new RegExp(`insert into "${table}"`),
    update: new RegExp(`update "${table}"`),
  },
  {
    ...{ name: "MariaDB", tool: "mariadb-server", program: mariadbPath, start: startMariadb },
    takeRights: "revoke create on *.* from 'delivery'@'127.0.0.1'",
    lockFor: (s: number) => `lock tables ${table} write; select sleep(${s}); unlock tables`,
    insert: new RegExp(`insert into \`${table}\``),
    update: new RegExp(`update \`${table}\``),
  },
];

for (const one of servers.filter(({ tool, program }) => requireTool(tool, program))) {
  describe(one.name, () => {
    let server: DatabaseServer;
    let proxy: FaultProxy;
    beforeAll(async () => {
      server = await one.start();
      proxy = await startFaultProxy(server.port);
    });
    afterAll(async () => {
      await proxy?.stop();
      await server?.stop();
    });
    const createDatabase = async (changes: Partial<ServerStoreOptions> = {}) => ({
      ...(await server.createDatabase()),
      ...changes,
    });

    test("eight that come to an empty database at once make its tables once, and agree", async () => {
      const options = await createDatabase();
      const eight = Array.from({ length: 8 }, () => open(options));
      const agreed = await Promise.all(eight.map((store, n) => store.agree("identity", `of ${n}`)));
      expect(new Set(agreed).size).toBe(1);
      await Promise.all(eight.map((store) => store.accept(draftOf())));
      expect(await eight[0]?.counts()).toMatchObject({ queued: 8 });
      const versions = await server.query(
        "select version from data_distribution_schema order by 1",
        options.database,
      );
      expect(versions.split("\n")).toEqual(["0", "1", "2"]);
    });

    test("a change of the schema that was made and not noted is made anew", async () => {
      const options = await createDatabase();
      const { delivery } = await open(options).accept(draftOf());
      await server.query("delete from data_distribution_schema where version = 2", options.database);
      const after = open(options);
      expect(await after.get(delivery.id)).toEqual(delivery);
      expect(await after.agree("name", "one")).toBe("one");
    });

    test("half a schema, left by a process that was killed, is made anew; a table with rows is left", async () => {
      const options = await createDatabase();
      await server.query(`create table ${table} (id int)`, options.database);
      if (options.kind === "postgresql") {
        await server.query(`alter table ${table} owner to delivery`, options.database);
      }
      await server.query(`insert into ${table} values (1)`, options.database);
      expect(await problemOf(open(options).accept(draftOf()), options.password)).toMatch(/has a table/);
      await server.query(`delete from ${table}`, options.database);
      await open(options).accept(draftOf());
    });

    test("an accepted delivery whose answer was lost is accepted, once", async () => {
      const store = open(await createDatabase({ port: proxy.port }));
      await store.counts();
      const cut = loseAnswerTo(proxy, one.insert);
      const draft = draftOf({ onceKey: "today" });
      expect(await store.accept(draft)).toMatchObject({ duplicate: false, delivery: { id: draft.id } });
      await cut;
      expect(await store.counts()).toMatchObject({ queued: 1 });
      expect(await store.accept(draft)).toMatchObject({ duplicate: true });
    });

    test("a claim and a settlement whose answers were lost count", async () => {
      const store = open(await createDatabase({ port: proxy.port }));
      const { delivery } = await store.accept(draftOf());
      let cut = loseAnswerTo(proxy, one.update);
      const [claim] = await store.claim("writer", "owner", 1);
      await cut;
      if (!claim) return expect.fail("Nothing was claimed.");
      cut = loseAnswerTo(proxy, one.update);
      const settled = await store.settle(claim, { state: "delivered", attempt, receipt });
      await cut;
      expect(settled).toMatchObject({ id: delivery.id, state: "delivered", version: 3 });
      expect(await store.get(delivery.id)).toEqual(settled);
    });

    test("a server that is restarted is hardly noticed; one that is down is named, then used again", async () => {
      const options = await createDatabase({ leaseMs: 60_000 });
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
    }, 120_000);

    test("what was given up while a table was locked is not done when it is free again", async () => {
      const options = await createDatabase({ leaseMs: 30_000 });
      const store = open(options);
      await store.counts();
      const locked = server.query(one.lockFor(12), options.database);
      await sleep(500);
      expect(await problemOf(store.accept(draftOf()), options.password)).toMatch(/in time|locked|timeout/i);
      await locked;
      await sleep(500);
      expect((await store.list({})).deliveries).toEqual([]);
    }, 60_000);

    test("what is wrong with the settings is said in words, without the password", async () => {
      const options = await createDatabase();
      const problem = (changes: Partial<ServerStoreOptions>) =>
        problemOf(open({ ...options, ...changes }).counts(), changes.password ?? options.password);
      expect(await problem({ password: "Wr0ng-Secret" })).toContain("refuses the login");
      expect(await problem({ database: "nowhere" })).toMatch(/no database of this name|lacks rights/);
      expect(await problem({ host: "nowhere.invalid" })).toContain("not known");
      await server.query(one.takeRights, options.database).catch(() => {});
      if (options.kind === "mysql") {
        await server.query(`revoke create on ${options.database}.* from 'delivery'@'127.0.0.1'`);
      }
      expect(await problem({})).toContain("lacks rights");
    });

    test("TLS is checked against the authority, and against the name", async () => {
      const options = await createDatabase({ security: "tls" });
      expect(await problemOf(open(options).counts(), options.password)).toContain("not signed by a known");
      await open({ ...options, ca: server.ca }).counts();
      await open({ ...options, verifyCertificate: false }).counts();
    });

    test("a clock that is wrong is told of, and one that is very wrong is not worked with", async () => {
      const options = await createDatabase();
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 10_000 });
      await open(options).counts();
      expect(notices).toEqual([expect.stringContaining(" s behind")]);
      vi.setSystemTime(Date.now() + 30_000);
      expect(await problemOf(open(options).counts(), options.password)).toMatch(
        /is \d\d s ahead of .* the store is not used/,
      );
    });

    test("so is one that is set while the store is in use, until it is right again", async () => {
      const store = open(await createDatabase());
      await store.accept(draftOf());
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 40_000 });
      const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 301_000);
      try {
        expect(await problemOf(store.claim("writer", "owner", 1), "never said")).toMatch(/s ahead of/);
        vi.useRealTimers();
        expect(await store.claim("writer", "owner", 1)).toHaveLength(1);
      } finally {
        clock.mockRestore();
      }
    });
  });
}

test("a database without its client says what to install", async () => {
  const options: ServerStoreOptions = {
    ...{ kind: "oracle", host: "localhost", port: 1521, database: "x", user: "x", password: "Secret" },
    ...{ security: "none", ca: undefined, verifyCertificate: true },
    ...{ connectTimeoutMs: 1_000, maxConnections: 1, leaseMs: 30_000 },
  };
  expect(await problemOf(open(options).counts(), "Secret")).toContain("npm install oracledb");
});

if (requireTool("postgresql", postgresPath)) {
  test("a server that a power cut makes forget what it has acknowledged is told of", async () => {
    const server = await startPostgres({ fsync: "off" });
    try {
      const store = open(await server.createDatabase());
      await store.accept(draftOf());
      expect(notices).toEqual([expect.stringContaining("power cut")]);
      await store.close();
    } finally {
      await server.stop();
    }
  });
}
