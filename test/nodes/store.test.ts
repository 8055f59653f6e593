import { beforeEach, describe, expect, test } from "vitest";
import { type FlowNode, useRuntime } from "./support/runtime";
import {
  credentialsOf,
  ends,
  ftpConnection,
  ftpWriter,
  notify,
  retry,
  useServers,
  watchers,
} from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

type Settings = Record<string, unknown>;
const store = (settings: Settings = {}): FlowNode => ({
  id: "store",
  type: "delivery-store",
  kind: "memory",
  ...settings,
});

function flow(storeSettings: Settings, retrySettings: Settings = {}): FlowNode[] {
  return [
    ftpConnection(servers),
    store(storeSettings),
    ftpWriter({ store: "store", wires: [["delivered"], ["failed", "retry"]] }),
    retry({ preset: "custom", attempts: "3", firstDelaySeconds: "1", jitterPercent: "0", ...retrySettings }),
    ...ends("delivered", "failed", "retrying", "gaveUp"),
    ...watchers("writer"),
  ];
}

/** Fails the first so many uploads. */
function failStor(times: number): void {
  let left = times;
  servers.ftp.hook = (command) => (command === "STOR" && left-- > 0 ? { reply: "450 Busy" } : undefined);
}

beforeEach(() => {
  servers.ftp.hook = undefined;
});

describe("a store in memory", () => {
  test("is one of its own: what waits there survives deploys, and its retry node finds it", async () => {
    failStor(1);
    await runtime.load(flow({}), credentialsOf(servers));
    runtime.send("writer", { payload: "hello" });
    const { delivery } = await runtime.next("retrying");
    await runtime.deploy(flow({}));
    expect((await runtime.next("delivered")).delivery).toMatchObject({ id: delivery.id, attempt: 2 });
  });

  test.each([
    ["the file", {}, { store: "store" }],
    ["memory", { store: "store" }, {}],
  ])("what waits in %s goes on when its writer is given another store", async (_title, before, after) => {
    failStor(1);
    const flowWith = (settings: Settings) => [
      ...flow({}).filter(({ id }) => id !== "writer"),
      ftpWriter({ ...settings, wires: [["delivered"], ["failed", "retry"]] }),
    ];
    await runtime.load(flowWith(before), credentialsOf(servers));
    runtime.send("writer", { payload: "x".repeat(100_000) });
    const { delivery } = await runtime.next("retrying");
    await runtime.deploy(flowWith(after));
    const result = await runtime.next("delivered");
    expect(result.delivery).toMatchObject({ id: delivery.id, attempt: 2, bytes: 100_000 });
    runtime.send("writer", { payload: "new" });
    expect((await runtime.next("delivered")).delivery).toMatchObject({ attempt: 1 });
  });

  test("is worked through once: one upload at a time, each told once, also after a deploy", async () => {
    const open = new Set<string>();
    let most = 0;
    servers.ftp.hook = (command, name) => {
      if (command === "STOR") most = Math.max(most, open.add(name).size);
      if (command === "RNTO") open.clear();
      return command === "STOR" ? { lastReplyDelayMs: 300 } : undefined;
    };
    const nodes = [
      ...flow({}).filter(({ id }) => id !== "writer"),
      ftpWriter({
        store: "store",
        concurrency: "1",
        path: "{{msg.topic}}",
        wires: [["delivered"], ["failed"]],
      }),
    ];
    await runtime.load(nodes, credentialsOf(servers));
    for (const topic of ["a", "b", "c"]) runtime.send("writer", { payload: topic, topic });
    await runtime.next("delivered");
    await runtime.deploy(nodes);
    for (let n = 0; n < 2; n++) await runtime.next("delivered");
    await new Promise((resolve) => setTimeout(resolve, 500));
    const targets = runtime.received("delivered").map(({ delivery }) => delivery.target);
    expect(targets.sort()).toEqual(["a", "b", "c"]);
    expect(most).toBe(1);
  });

  test("and one in a file are used side by side, by one retry node", async () => {
    failStor(2);
    const other = ftpWriter({ id: "other", path: "other.txt", wires: [["delivered"], ["retry"]] });
    await runtime.load([...flow({}), other], credentialsOf(servers));
    runtime.send("writer", { payload: "hello" });
    runtime.send("other", { payload: "hello" });
    const ended = [await runtime.next("delivered"), await runtime.next("delivered")];
    expect(ended.map(({ delivery }) => delivery.writer.id).sort()).toEqual(["other", "writer"]);
    expect(runtime.received("retrying")).toHaveLength(2);
  });

  test("that is removed forgets, and the writer says that it is gone", async () => {
    failStor(1);
    await runtime.load(flow({}, { firstDelaySeconds: "60" }), credentialsOf(servers));
    runtime.send("writer", { payload: "hello" });
    await runtime.next("retrying");
    await runtime.deploy(flow({}).filter(({ id }) => id !== "store"));
    await runtime.status("writer", /delivery store is missing/);
    runtime.send("writer", { payload: "again" });
    expect((await runtime.next("failed")).error).toBeDefined();
    await runtime.deploy(flow({}));
    runtime.send("writer", { payload: "again" });
    expect((await runtime.next("delivered")).delivery.attempt).toBe(1);
    expect(runtime.received("delivered")).toHaveLength(1);
  });
});

const wrong: [setting: string, value: unknown, sentence: RegExp][] = [
  ["kind", "couchdb", /kind must be one of .*postgresql.*mongodb/],
  ["host", "", /host is missing/],
  ["host", "postgres://example.com", /host must be a host name/],
  ["host", "example.com:5432", /host must not hold a port/],
  ["port", "many", /port must be a whole number from 1 to 65535/],
  ["database", "", /database is missing/],
  ["security", "perhaps", /security must be one of tls, none/],
  ["ca", "no certificate", /ca must hold certificates in PEM format/],
  ["verifyCertificate", "perhaps", /verifyCertificate must be true or false/],
  ["leaseSeconds", "5", /leaseSeconds must be a number from 30 to 3600/],
  ["connectTimeoutSeconds", "soon", /connectTimeoutSeconds must be a number from/],
  ["spool", "attic", /spool must be one of folder, bucket/],
  ["spoolFolder", "deliveries", /spoolFolder must be an absolute path/],
  ["spoolBucket", "My_Bucket", /spoolBucket must be 3 to 63 lower-case letters/],
  ["spoolBucket", "127.0.0.1", /spoolBucket must not look like an IP address/],
  ["spoolConnection", "", /spoolConnection is missing/],
  ["spoolPrefix", "a/../b", /spoolPrefix must be the names of folders/],
  ["spoolPrefix", "/a", /spoolPrefix must be the names of folders/],
];

test.each(wrong)("a store with %s %j fails each message of its writers, with the reason", async (...row) => {
  const [setting, value, sentence] = row;
  const inBucket = { spool: "bucket", spoolConnection: "s3", spoolBucket: "deliveries" };
  const settings = {
    ...{ kind: "postgresql", host: "localhost", database: "deliveries" },
    ...(/^spool[BCP]/.test(setting) && inBucket),
    [setting]: value,
  };
  const credentials = { ...credentialsOf(servers), store: { user: "me", password: "Planted-Secret" } };
  await runtime.load(
    [...flow(settings), notify({ connection: "", store: "store" }), ...ends("sent", "unsent")],
    credentials,
  );
  await runtime.status("writer", sentence);
  runtime.send("writer", { payload: "hello" });
  expect((await runtime.next("failed")).error).toMatchObject({
    kind: "invalid",
    message: expect.stringMatching(sentence),
  });
  runtime.send("notify", { delivery: { state: "delivered" } });
  expect((await runtime.next("unsent")).error.message).toMatch(sentence);
  expect(JSON.stringify(runtime.logged())).not.toContain("Planted-Secret");
});
