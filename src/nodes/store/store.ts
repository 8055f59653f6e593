import type { NodeAPI, NodeDef } from "node-red";
import { inUnit } from "../../lib";
import { type ConnectionNode, keepConnection, useConnection } from "../shared/connection-node";
import { cleanSpools, closeEngineOfStore, engineOfStore, enginesOf, limitsOf } from "../shared/engine";
import { whenFlowsStarted } from "../shared/flows-started";
import { msPerSecond } from "../shared/units";
import { decideOnDelivery, listDeliveries } from "./routes";
import { createEngine, readSettings } from "./settings";

interface Config extends NodeDef {
  connectTimeoutSeconds?: unknown;
  leaseSeconds?: unknown;
}

interface Credentials {
  user: string;
  password: string;
}

/** What operators may do with a delivery. */
const verbs = ["retry", "cancel", "send-again"] as const;

export default function register(RED: NodeAPI): void {
  serveDeliveries(RED);
  RED.nodes.registerType(
    "delivery-store",
    function construct(this: ConnectionNode<Credentials>, config: Config) {
      RED.nodes.createNode(this, config);
      keepConnection(this, (credentials) => {
        const settings = readSettings({
          ...config,
          ...credentials,
          connectTimeoutMs: inUnit("connectTimeoutSeconds", config.connectTimeoutSeconds, msPerSecond),
          leaseMs: inUnit("leaseSeconds", config.leaseSeconds, msPerSecond),
        });
        const engine = engineOfStore(RED, config.id, JSON.stringify(settings), (own) =>
          createEngine(settings, {
            own,
            limits: limitsOf(RED),
            onNotice: RED.log.warn,
            connect: (id) => useConnection(RED, id, "delivery-s3-connection", "S3 connection"),
          }),
        );
        // Large content may come days later: that it has no place is said now.
        const callOff = whenFlowsStarted(RED, () => {
          cleanSpools(enginesOf(RED)).catch(({ message }: Error) => this.warn(message));
        });
        // A deploy closes the node; its deliveries are there afterwards, also those in memory.
        const close = (removed: boolean) => {
          callOff();
          return removed ? closeEngineOfStore(RED, config.id) : undefined;
        };
        return { ...engine, close };
      });
    },
    { credentials: { user: { type: "text" }, password: { type: "password" } } },
  );
}

/** Lets operators look at deliveries and decide on them, over Node-RED's admin API. */
function serveDeliveries(RED: NodeAPI): void {
  const { httpAdmin, auth } = RED;
  const mayRead = auth.needsPermission("delivery-store.read");
  const mayWrite = auth.needsPermission("delivery-store.write");
  httpAdmin.get("/delivery-store/deliveries", mayRead, ({ query }, response) =>
    listDeliveries(RED, response, query),
  );
  for (const verb of verbs) {
    httpAdmin.post(`/delivery-store/deliveries/:id/${verb}`, mayWrite, ({ params }, response) =>
      decideOnDelivery(RED, response, { verb, id: String(params.id) }),
    );
  }
}
