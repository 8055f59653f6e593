import { setTimeout as sleep } from "node:timers/promises";
import type { Collection, MongoClientOptions } from "mongodb";
import { DeliveryError } from "../../errors";
import { writtenByNewer } from "../rows";
import { importClient, patienceMsOf } from "../server-access";
import { createPatience } from "../server-failure";
import {
  collection,
  type DeliveryDocument,
  indexes,
  type StateDocument,
  schemaVersion,
  stateCollection,
} from "./documents";
import { classifyMongoError } from "./errors";
import type { MongoStoreOptions } from "./options";

export interface MongoDatabase {
  readonly deliveries: Collection<DeliveryDocument>;
  readonly state: Collection<StateDocument>;
  /**
   * Does work with the collections again while its failures pass by themselves: it may have been done before.
   * @throws DeliveryError `local`
   */
  patiently<T>(work: () => Promise<T>): Promise<T>;
  /** The server's clock, in milliseconds since the epoch. */
  readClock(): Promise<number>;
  close(): Promise<void>;
}

const closeWithinMs = 5_000;

/**
 * A database of a MongoDB server or replica set, with connections of its own. They are made when they are
 * needed.
 * @throws DeliveryError `local` when the package that speaks to the server is not installed, or refuses the
 *   settings
 */
export async function openMongoDatabase(options: MongoStoreOptions): Promise<MongoDatabase> {
  const { MongoClient } = await importClient("mongodb", "in MongoDB", () => import("mongodb"));
  const { patiently, end } = createPatience(patienceMsOf(options), (thrown) =>
    classifyMongoError(thrown, options),
  );
  const client = await patiently(async () => new MongoClient(addressOf(options), clientOptionsOf(options)));
  const database = client.db(options.database);
  let closed = false;
  const open = () => {
    if (closed) throw new DeliveryError("local", "The delivery store was closed.");
  };
  return {
    deliveries: database.collection(collection),
    state: database.collection(stateCollection),
    patiently: (work) =>
      patiently(() => {
        open();
        return work();
      }),
    async readClock() {
      const { localTime } = await patiently(() => database.command({ hello: 1 }));
      return Number(localTime);
    },
    async close() {
      closed = true;
      end();
      // A server that has gone silent does not say goodbye either.
      await Promise.race([client.close(), sleep(closeWithinMs, undefined, { ref: false })]);
    },
  };
}

/**
 * Makes what a new database lacks. Any number of processes may do that at the same time.
 * @throws DeliveryError `local` for one that a newer version of this package has written
 */
export async function prepare({ deliveries, state, patiently }: MongoDatabase): Promise<void> {
  const found = await patiently(() =>
    state.findOneAndUpdate(
      { _id: "schema" },
      { $setOnInsert: { value: schemaVersion } },
      { upsert: true, returnDocument: "after" },
    ),
  );
  if (found && found.value > schemaVersion) throw writtenByNewer(found.value);
  await patiently(() => deliveries.createIndexes(indexes));
}

/** Without user and password: addresses end up in errors. */
function addressOf({ host, port, srv }: MongoStoreOptions): string {
  if (srv) return `mongodb+srv://${host}/`;
  const servers = host.split(",").map((name) => `${name.includes(":") ? `[${name}]` : name}:${port}`);
  return `mongodb://${servers.join(",")}/`;
}

function clientOptionsOf(options: MongoStoreOptions): MongoClientOptions {
  const { user, password, authDatabase, security, ca, verifyCertificate, connectTimeoutMs } = options;
  const patienceMs = patienceMsOf(options);
  return {
    ...(user !== "" && { auth: { username: user, password }, authSource: authDatabase }),
    tls: security === "tls",
    ...(security === "tls" && {
      tlsAllowInvalidCertificates: !verifyCertificate,
      tlsAllowInvalidHostnames: !verifyCertificate,
      ...(ca !== undefined && { ca }),
    }),
    // What it acknowledges is on the disks of most members, and what is read cannot be taken back.
    writeConcern: { w: "majority", journal: true, wtimeoutMS: patienceMs / 2 },
    readConcernLevel: "majority",
    readPreference: "primary",
    retryWrites: true,
    retryReads: true,
    connectTimeoutMS: connectTimeoutMs,
    serverSelectionTimeoutMS: patienceMs,
    waitQueueTimeoutMS: patienceMs,
    socketTimeoutMS: patienceMs,
    maxPoolSize: options.maxConnections,
    minPoolSize: 0,
    maxIdleTimeMS: 30_000,
    appName: "data-distribution",
  };
}
