import type { NodeAPI, NodeDef } from "node-red";
import { createS3Connection, inUnit, readS3ConnectionOptions } from "../../lib";
import { type ConnectionNode, keepConnection } from "../shared/connection-node";
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
  RED.nodes.registerType(
    "delivery-s3-connection",
    function construct(this: ConnectionNode<Credentials>, config: Config) {
      RED.nodes.createNode(this, config);
      keepConnection(this, (credentials) =>
        createS3Connection(
          readS3ConnectionOptions({
            ...config,
            ...credentials,
            connectTimeoutMs: inUnit("connectTimeoutSeconds", config.connectTimeoutSeconds, msPerSecond),
            idleTimeoutMs: inUnit("idleTimeoutSeconds", config.idleTimeoutSeconds, msPerSecond),
          }),
        ),
      );
    },
    {
      credentials: {
        accessKeyId: { type: "text" },
        secretAccessKey: { type: "password" },
        sessionToken: { type: "password" },
      },
    },
  );
}
