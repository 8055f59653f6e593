import type { NodeAPI, NodeDef } from "node-red";
import { createS3Connection, inUnit, readS3ConnectionOptions } from "../../lib";
import { registerConnectionNode } from "../shared/connection-node";
import { msPerSecond } from "../shared/units";

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
          connectTimeoutMs: inUnit("connectTimeoutSeconds", config.connectTimeoutSeconds, msPerSecond),
          idleTimeoutMs: inUnit("idleTimeoutSeconds", config.idleTimeoutSeconds, msPerSecond),
        }),
      ),
    {
      accessKeyId: { type: "text" },
      secretAccessKey: { type: "password" },
      sessionToken: { type: "password" },
    },
  );
}
