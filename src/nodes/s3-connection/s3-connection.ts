import type { NodeAPI, NodeDef } from "node-red";
import { createS3Connection, readS3ConnectionOptions } from "../../lib";
import { registerConnectionNode } from "../shared/connection-node";
import { msPerSecond, scaled } from "../shared/units";

interface Config extends NodeDef {
  connectTimeoutSeconds?: string | number;
  idleTimeoutSeconds?: string | number;
}

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
}

export default function register(RED: NodeAPI): void {
  registerConnectionNode<Config, Credentials>(
    RED,
    "delivery-s3-connection",
    (config, credentials) =>
      createS3Connection(
        readS3ConnectionOptions({
          ...config,
          ...credentials,
          connectTimeoutMs: scaled(config.connectTimeoutSeconds, msPerSecond),
          idleTimeoutMs: scaled(config.idleTimeoutSeconds, msPerSecond),
        }),
      ),
    {
      accessKeyId: { type: "text" },
      secretAccessKey: { type: "password" },
      sessionToken: { type: "password" },
    },
  );
}
