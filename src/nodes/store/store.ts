import type { NodeAPI, NodeDef } from "node-red";
import { inUnit } from "../../lib";
import { registerConnectionNode } from "../shared/connection-node";
import { closeEngineOfStore, engineOfStore, limitsOf } from "../shared/engine";
import { msPerSecond } from "../shared/units";
import { serveDeliveries } from "./routes";
import { createEngine, readSettings } from "./settings";

interface Config extends NodeDef {
  connectTimeoutSeconds?: unknown;
  leaseSeconds?: unknown;
}

interface Credentials {
  user: string;
  password: string;
}

export default function register(RED: NodeAPI): void {
  serveDeliveries(RED);
  registerConnectionNode<Config, Credentials>(
    RED,
    "delivery-store",
    (config, credentials) => {
      const settings = readSettings({
        ...config,
        ...credentials,
        connectTimeoutMs: inUnit("connectTimeoutSeconds", config.connectTimeoutSeconds, msPerSecond),
        leaseMs: inUnit("leaseSeconds", config.leaseSeconds, msPerSecond),
      });
      const engine = engineOfStore(RED, config.id, JSON.stringify(settings), (own) =>
        createEngine(settings, { own, limits: limitsOf(RED), onNotice: RED.log.warn }),
      );
      // A deploy closes the node; its deliveries are there afterwards, also those in memory.
      const close = (removed: boolean) => (removed ? closeEngineOfStore(RED, config.id) : undefined);
      return { ...engine, close };
    },
    { user: { type: "text" }, password: { type: "password" } },
  );
}
