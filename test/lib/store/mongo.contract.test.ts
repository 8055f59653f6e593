import { randomUUID } from "node:crypto";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll } from "vitest";
import { createMongoStore, type MongoStoreOptions, readMongoStoreOptions } from "../../../src/lib";
import { type MongoServer, startMongoServer } from "../../support/mongo-server";
import { sayUntried } from "../../support/required";
import { describeStoreContract } from "./contract";

let server: MongoServer;
let databases = 0;
const optionsOfOwn = () =>
  readMongoStoreOptions({
    ...{ host: "127.0.0.1", port: server.port, security: "none" },
    ...{ database: `deliveries_${databases}`, leaseMs: 30_000 },
  });
beforeAll(async () => {
  server = await startMongoServer();
});
afterAll(() => server?.stop());

describeStoreContract({
  name: "MongoDB's client, and a server of our own",
  leaseMs: 30_000,
  createStore: ({ now }) => {
    databases++;
    return createMongoStore(optionsOfOwn(), { now });
  },
  openAgain: ({ now }) => createMongoStore(optionsOfOwn(), { now }),
});

const url = process.env.MONGO_URL;
if (url === undefined) {
  sayUntried("the store against a real MongoDB: MONGO_URL is not set");
} else {
  const used: string[] = [];
  afterAll(async () => {
    const client = new MongoClient(url);
    for (const name of used) await client.db(name).dropDatabase();
    await client.close();
  });

  describeStoreContract({
    name: "MongoDB",
    leaseMs: 30_000,
    createStore: ({ now }) => {
      const database = `data_distribution_${randomUUID().replaceAll("-", "")}`;
      used.push(database);
      return createMongoStore({ ...optionsOf(url), database }, { now });
    },
    openAgain: ({ now }) => createMongoStore({ ...optionsOf(url), database: used.at(-1) as string }, { now }),
  });
}

/** `mongodb://user:password@host:port/?authSource=admin&tls=true` */
function optionsOf(address: string): MongoStoreOptions {
  const { protocol, hostname, port, username, password, searchParams } = new URL(address);
  const srv = protocol === "mongodb+srv:";
  const tls = searchParams.get("tls") ?? String(srv);
  return readMongoStoreOptions({
    ...{ host: hostname.replace(/^\[|\]$/g, ""), port, srv, database: "any", leaseMs: 30_000 },
    ...{ user: decodeURIComponent(username), password: decodeURIComponent(password) },
    ...{ authDatabase: searchParams.get("authSource"), security: tls === "true" ? "tls" : "none" },
  });
}
