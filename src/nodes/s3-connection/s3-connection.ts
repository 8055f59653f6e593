import type { NodeAPI, NodeDef } from "node-red";
import { createS3Connection, readS3ConnectionOptions } from "../../lib";
import {
  type ConnectionNode,
  keepConnection,
  type TimeoutSettings,
  timeoutsOf,
} from "../shared/connection-node";

type Config = NodeDef & TimeoutSettings;

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
            ...timeoutsOf(config),
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
