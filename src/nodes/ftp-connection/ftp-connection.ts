import type { NodeAPI, NodeDef } from "node-red";
import { createFtpConnection, readFtpConnectionOptions } from "../../lib";
import {
  type ConnectionNode,
  keepConnection,
  type TimeoutSettings,
  timeoutsOf,
} from "../shared/connection-node";

type Config = NodeDef & TimeoutSettings;

interface Credentials {
  user: string;
  password: string;
}

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType(
    "delivery-ftp-connection",
    function construct(this: ConnectionNode<Credentials>, config: Config) {
      RED.nodes.createNode(this, config);
      keepConnection(this, (credentials) =>
        createFtpConnection(
          readFtpConnectionOptions({
            ...config,
            ...credentials,
            ...timeoutsOf(config),
          }),
        ),
      );
    },
    { credentials: { user: { type: "text" }, password: { type: "password" } } },
  );
}
