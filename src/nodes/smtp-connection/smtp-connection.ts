import type { NodeAPI, NodeDef } from "node-red";
import { createSmtpConnection, inUnit, readSmtpConnectionOptions } from "../../lib";
import { type ConnectionNode, keepConnection } from "../shared/connection-node";
import { msPerSecond } from "../shared/units";

interface Config extends NodeDef {
  connectTimeoutSeconds?: string | number;
}

interface Credentials {
  user: string;
  password: string;
}

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType(
    "delivery-smtp-connection",
    function construct(this: ConnectionNode<Credentials>, config: Config) {
      RED.nodes.createNode(this, config);
      keepConnection(this, (credentials) =>
        createSmtpConnection(
          readSmtpConnectionOptions({
            ...config,
            ...credentials,
            connectTimeoutMs: inUnit("connectTimeoutSeconds", config.connectTimeoutSeconds, msPerSecond),
          }),
        ),
      );
    },
    { credentials: { user: { type: "text" }, password: { type: "password" } } },
  );
}
