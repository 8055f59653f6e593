import { afterEach, beforeEach, expect, test } from "vitest";
import { type MongoServer, startMongoServer } from "../support/mongo-server";
import { useRuntime } from "./support/runtime";
import {
  credentialsOf,
  ends,
  ftpConnection,
  ftpWriter,
  retry,
  useServers,
  watchers,
} from "./support/servers";

const servers = useServers();
const runtime = useRuntime();
const login = { user: "delivery", password: "Planted-Secret" };
let mongo: MongoServer;

beforeEach(async () => {
  mongo = await startMongoServer(login);
});
afterEach(async () => {
  servers.ftp.hook = undefined;
  await mongo.stop();
});

function load(credentials: object = login): Promise<void> {
  const store = { kind: "mongodb", host: "127.0.0.1", port: String(mongo.port), security: "none" };
  const nodes = [
    ftpConnection(servers),
    { id: "store", type: "delivery-store", ...store, database: "deliveries", leaseSeconds: "30" },
    ftpWriter({ store: "store", wires: [["delivered"], ["failed", "retry"]] }),
    retry({ preset: "custom", attempts: "3", firstDelaySeconds: "0.05", jitterPercent: "0" }),
    ...ends("delivered", "failed", "retrying", "gaveUp"),
    ...watchers("writer"),
  ];
  return runtime.load(nodes, { ...credentialsOf(servers), store: credentials });
}

test("a writer's deliveries are in MongoDB, and fail, wait and arrive from there", async () => {
  let failures = 2;
  servers.ftp.hook = (command) => (command === "STOR" && failures-- > 0 ? { reply: "450 Busy" } : undefined);
  await load();
  const id = runtime.send("writer", { payload: "hello", topic: "night" });
  await runtime.next("completed");
  const { delivery, ...rest } = await runtime.next("delivered");
  expect(rest).toEqual({ _msgid: id, payload: "hello", topic: "night" });
  expect(delivery).toMatchObject({ state: "delivered", attempt: 3 });
  expect(runtime.received("retrying")).toHaveLength(2);
  const [kept, ...others] = mongo.collection("deliveries", "data_distribution_deliveries").find({});
  expect(kept).toMatchObject({ _id: delivery.id, state: "delivered", queue: "writer" });
  expect(others).toEqual([]);
  expect(JSON.stringify([runtime.logged(), runtime.received("delivered"), kept])).not.toContain(
    login.password,
  );
});

test("a login that is refused: nothing is taken, and the message says why", async () => {
  await load({ ...login, password: "Another-Secret" });
  runtime.send("writer", { payload: "hello" });
  const { error } = await runtime.next("caught");
  expect(error.message).toMatch(/refuses the login/);
  expect(JSON.stringify([error, runtime.logged()])).not.toContain("Another-Secret");
  expect(runtime.received("delivered")).toEqual([]);
});
