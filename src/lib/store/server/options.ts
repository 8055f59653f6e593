import { readOptions } from "../../options";
import { plainText, readServerAccess, type ServerAccess } from "../server-access";
import { type ServerKind, serverKinds } from "./kinds";

export interface ServerStoreOptions extends ServerAccess {
  kind: ServerKind;
  /** At Oracle the name of the service. */
  database: string;
  user: string;
}

/** @throws DeliveryError `invalid` that lists every problem */
export function readServerStoreOptions(input: unknown): ServerStoreOptions {
  return readOptions("Delivery store", input, (options) => {
    const kind = options.choice("kind", Object.keys(serverKinds) as ServerKind[], "postgresql");
    const access = readServerAccess(options, serverKinds[kind].port);
    if (access.ca && kind === "oracle") {
      options.problem("ca cannot be given for Oracle. Set the environment variable NODE_EXTRA_CA_CERTS");
    }
    return {
      ...access,
      kind,
      database: options.string("database", plainText),
      user: options.string("user", plainText),
    };
  });
}
