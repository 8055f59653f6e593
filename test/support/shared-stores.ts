import type { DatabaseServer } from "./database-server";
import type { FlowNode } from "./node-red-process";
import { postgresPath, startPostgres } from "./postgres";
import { type RedisServer, redisPath, startRedis } from "./redis";

/** A kind of store that several Node-REDs can share, and the server that it needs. */
export interface SharedStoreKind {
  /** As the store node calls it. */
  readonly kind: string;
  /** The Debian package of the server, and its program. */
  readonly tool: string;
  readonly program: string;
  start(): Promise<SharedStoreServer>;
}

export interface SharedStoreServer {
  /** A store node, `store`, on a database of its own that is empty. */
  createStoreNode(settings?: object): Promise<FlowNode>;
  stop(): Promise<void>;
}

/** What the tests of several Node-REDs on one store, and its bench, go through. */
export const sharedStoreKinds: readonly SharedStoreKind[] = [
  {
    kind: "postgresql",
    tool: "postgresql",
    program: postgresPath,
    start: () => onDatabaseServer("postgresql", startPostgres()),
  },
  {
    kind: "redis",
    tool: "redis-server",
    program: redisPath,
    start: () => onDatabaseServer("redis", startRedis()),
  },
  {
    kind: "postgresql-queue",
    tool: "postgresql",
    program: postgresPath,
    start: () => onDatabaseServer("postgresql-queue", startPostgres()),
  },
];

type DatabaseServers = Pick<DatabaseServer | RedisServer, "createDatabase" | "stop">;

async function onDatabaseServer(
  kind: string,
  starting: Promise<DatabaseServers>,
): Promise<SharedStoreServer> {
  const server = await starting;
  return {
    async createStoreNode(settings = {}) {
      const { host, port, database, user, password } = await server.createDatabase();
      return {
        ...{
          id: "store",
          type: "delivery-store",
          kind,
          host,
          port: String(port),
          database: String(database),
          security: "none",
        },
        ...settings,
        credentials: { user: user ?? "", password },
      };
    },
    stop: () => server.stop(),
  };
}
