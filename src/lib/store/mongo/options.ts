import { readOptions } from "../../options";
import { plainText, readServerAccess, type ServerAccess } from "../server-access";

/** `host` may name several members of a replica set, with commas between; one is enough to find the others. */
export interface MongoStoreOptions extends ServerAccess {
  database: string;
  /** Empty for a server that asks for no login. */
  user: string;
  /** The database that knows the user. */
  authDatabase: string;
  /** `host` is a name whose servers the DNS lists, as a `mongodb+srv` address has it; `port` does not count. */
  srv: boolean;
}

/** https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions */
const databaseName = {
  pattern: /^[^/\\. "$*<>:|?\0\r\n]{1,63}$/,
  must: `a name of up to 63 characters without spaces and without any of / \\ . " $ * < > : | ?`,
};

/** @throws DeliveryError `invalid` that lists every problem */
export function readMongoStoreOptions(input: unknown): MongoStoreOptions {
  return readOptions("Delivery store", input, (options) => {
    const access = readServerAccess(options, 27_017);
    const srv = options.boolean("srv", false);
    const names = access.host.split(",");
    if (names.includes("") && access.host !== "") options.problem("host must not hold an empty name");
    // https://github.com/mongodb/specifications/blob/master/source/initial-dns-seedlist-discovery/initial-dns-seedlist-discovery.md
    if (srv && (names.length > 1 || /^[\d.]+$|:/.test(access.host))) {
      options.problem("host must be one name, not an address, when the DNS lists the servers");
    }
    return {
      ...access,
      srv,
      database: options.string("database", databaseName),
      user: options.optionalString("user", plainText) ?? "",
      authDatabase: options.optionalString("authDatabase", plainText) ?? "admin",
    };
  });
}
