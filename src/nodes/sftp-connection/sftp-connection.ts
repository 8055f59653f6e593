import type { NodeAPI, NodeDef } from "node-red";
import { createSftpConnection, readSftpConnectionOptions } from "../../lib";
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
  privateKey: string;
  passphrase: string;
}

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType(
    "delivery-sftp-connection",
    function construct(this: ConnectionNode<Credentials>, config: Config) {
      RED.nodes.createNode(this, config);
      keepConnection(this, (credentials) =>
        createSftpConnection(
          readSftpConnectionOptions({
            ...config,
            ...credentials,
            ...timeoutsOf(config),
          }),
        ),
      );
    },
    {
      credentials: {
        user: { type: "text" },
        password: { type: "password" },
        privateKey: { type: "password" },
        passphrase: { type: "password" },
      },
    },
  );
}
