import type { NodeAPI, NodeDef } from "node-red";
import { createFtpConnection, readFtpConnectionOptions } from "../../lib";
import { registerConnectionNode } from "../shared/connection-node";
import { msPerSecond, scaled } from "../shared/units";

interface Config extends NodeDef {
  connectTimeoutSeconds?: string | number;
  idleTimeoutSeconds?: string | number;
}

interface Credentials {
  user: string;
  password: string;
}

export default function register(RED: NodeAPI): void {
  registerConnectionNode<Config, Credentials>(
    RED,
    "delivery-ftp-connection",
    (config, credentials) =>
      createFtpConnection(
        readFtpConnectionOptions({
          ...config,
          ...credentials,
          connectTimeoutMs: scaled(config.connectTimeoutSeconds, msPerSecond),
          idleTimeoutMs: scaled(config.idleTimeoutSeconds, msPerSecond),
        }),
      ),
    { user: { type: "text" }, password: { type: "password" } },
  );
}
