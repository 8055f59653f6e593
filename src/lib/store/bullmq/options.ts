import { readOptions } from "../../options";
import { readServerStoreOptions, type ServerStoreOptions } from "../server/options";
import { plainText, readServerAccess, type ServerAccess } from "../server-access";

export interface RedisStoreOptions extends Omit<ServerAccess, "maxConnections"> {
  kind: "redis";
  /** The number of the logical database. */
  database: number;
  /** Undefined for the server's default user, as before its access control lists. */
  user: string | undefined;
}

/** `postgresql` in all, with BullMQ's queues beside the deliveries. */
export interface PostgresQueueStoreOptions extends Omit<ServerStoreOptions, "kind"> {
  kind: "postgresql-queue";
}

export type BullmqStoreOptions = RedisStoreOptions | PostgresQueueStoreOptions;

export const bullmqKinds = ["redis", "postgresql-queue"] as const;

/** @throws DeliveryError `invalid` that lists every problem */
export function readBullmqStoreOptions(input: unknown): BullmqStoreOptions {
  const kind = readOptions("Delivery store", input, (options) =>
    options.choice("kind", bullmqKinds, "redis"),
  );
  if (kind === "postgresql-queue") {
    return { ...readServerStoreOptions({ ...(input as object), kind: "postgresql" }), kind };
  }
  return readOptions("Delivery store", input, (options) => {
    const { maxConnections: _, ...access } = readServerAccess(options, 6379);
    return {
      ...access,
      kind,
      database: options.number("database", { min: 0, max: 1_000_000, default: 0, integer: true }),
      user: options.optionalString("user", plainText),
    };
  });
}
