import type { NodeAPI, NodeDef } from "node-red";
import { createSmtpConnection, inUnit, readSmtpConnectionOptions } from "../../lib";
import { registerConnectionNode } from "../shared/connection-node";
import { msPerSecond } from "../shared/units";

interface Config extends NodeDef {
  connectTimeoutSeconds?: string | number;
}

interface Credentials {
  user: string;
  password: string;
}

export default function register(RED: NodeAPI): void {
  registerConnectionNode<Config, Credentials>(
    RED,
    "delivery-smtp-connection",
    (config, credentials) =>
      createSmtpConnection(
        readSmtpConnectionOptions({
          ...config,
          ...credentials,
          connectTimeoutMs: inUnit("connectTimeoutSeconds", config.connectTimeoutSeconds, msPerSecond),
        }),
      ),
    { user: { type: "text" }, password: { type: "password" } },
  );
}
