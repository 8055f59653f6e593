import { randomInt } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Deed, type Fault, type SetFault, setFault } from "./fault";
import { Line } from "./fault-line";

export type { Deed, Fault, Moment, SetFault } from "./fault";

export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** How many connections came so far, FTP's data connections left out. */
  readonly connections: number;
  /** How many clients have not closed theirs, data connections included. */
  readonly open: number;
  /** The fault strikes when its moment comes, on connections that are open and on new ones. */
  inject(fault: Fault): SetFault;
  /** No fault strikes any more; what was done stays. */
  clear(): void;
  /** Does it at once to all connections. */
  now(deed: Deed): void;
  /** Waits until all clients have closed theirs, 10 s at most, and tells how many have not. */
  whenClosed(): Promise<number>;
  stop(): Promise<void>;
}

export interface FaultProxyOptions {
  /**
   * Whether it is FTP in passive mode. The data connections of a session go to the host of its control
   * connection: the proxy has an address of its own in 127.0.0.0/8, and there the port that the server
   * names. So nothing has to be rewritten. Other systems than Linux have only 127.0.0.1 by themselves.
   */
  ftp?: true;
  /** The first and the last of the server's passive ports, where the proxy cannot read which it names. */
  passivePorts?: readonly [first: number, last: number];
}

/** Stands between a client and a server at 127.0.0.1, and fails as asked. */
export async function startFaultProxy(
  targetPort: number,
  { ftp, passivePorts }: FaultProxyOptions = {},
): Promise<FaultProxy> {
  const host =
    ftp || passivePorts ? `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}` : "127.0.0.1";
  const lines = new Set<Line>();
  const listeners = new Set<Server>();
  let faults: SetFault[] = [];
  let connections = 0;
  let open = 0;

  const accept = (client: Socket, kind: "main" | "data", port: number) => {
    if (kind === "main") connections++;
    const atOnce = faults.find(
      ({ fault: { when, line = "main", times = 1 }, strikes }) =>
        when.at === "connect" && line === kind && strikes < times,
    );
    // A line that is cut or silent from its first byte need not reach anybody.
    const server = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const onAnswer = ftp && kind === "main" ? follow : undefined;
    const line = new Line({ kind, client, server, faults: () => faults, ...(onAnswer && { onAnswer }) });
    lines.add(line);
    open++;
    void line.left.then(() => open--);
    void line.closed.then(() => lines.delete(line));
    if (!atOnce) return;
    atOnce.strike();
    void line.perform(atOnce.fault.do, "client");
  };

  const listen = async (
    port: number,
    kind: "main" | "data",
    target?: number,
    single = false,
  ): Promise<number> => {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      if (single) server.close();
      accept(client, kind, target ?? port);
    });
    listeners.add(server);
    server.on("close", () => listeners.delete(server));
    server.listen(port, host);
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };

  /** Opens the port that an answer to EPSV (RFC 2428) or PASV (RFC 959) names. */
  const follow = async (answer: string): Promise<void> => {
    const extended = /^229 .*\(\|\|\|(\d+)\|\)/m.exec(answer);
    const passive = /^227 .*,(\d+),(\d+)\)/m.exec(answer);
    const port = extended ? Number(extended[1]) : passive ? Number(passive[1]) * 256 + Number(passive[2]) : 0;
    if (port > 0) await listen(port, "data", port, true);
  };

  const port = await listen(0, "main", targetPort);
  if (passivePorts) {
    for (let n = passivePorts[0]; n <= passivePorts[1]; n++) await listen(n, "data");
  }
  return {
    host,
    port,
    get connections() {
      return connections;
    },
    get open() {
      return open;
    },
    inject(fault) {
      const set = setFault(fault);
      for (const line of lines) line.begin(set);
      faults = [...faults, set];
      return set;
    },
    clear() {
      faults = [];
    },
    now(deed) {
      for (const line of lines) void line.perform(deed, "client");
    },
    async whenClosed() {
      for (const line of lines) line.release();
      for (const deadline = Date.now() + 10_000; open > 0 && Date.now() < deadline; ) await sleep(10);
      return open;
    },
    async stop() {
      for (const line of lines) line.reset();
      for (const server of listeners) server.close();
    },
  };
}
