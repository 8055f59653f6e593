import type { NodeAPI, NodeDef } from "node-red";
import { createFtpConnection, inUnit, readFtpConnectionOptions } from "../../lib";
import { type ConnectionNode, keepConnection } from "../shared/connection-node";
import { msPerSecond } from "../shared/units";

interface Config extends NodeDef {
  connectTimeoutSeconds?: string | number;
  idleTimeoutSeconds?: string | number;
}

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
            connectTimeoutMs: inUnit("connectTimeoutSeconds", config.connectTimeoutSeconds, msPerSecond),
            idleTimeoutMs: inUnit("idleTimeoutSeconds", config.idleTimeoutSeconds, msPerSecond),
          }),
        ),
      );
    },
    { credentials: { user: { type: "text" }, password: { type: "password" } } },
  );
}
