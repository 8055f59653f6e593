import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface CuttingProxy {
  readonly port: number;
  /** How many connections came so far. */
  readonly connections: number;
  /** Ends all connections with a reset. */
  cut(): void;
  /** Ends the connections of the moment with a reset once the client has sent that many more bytes. */
  cutAfterSending(bytes: number): void;
  /**
   * After so many more messages of the client nothing of the server's answers comes through; what is sent
   * still does. A message is what comes at once, which is a request when the client waits for each answer.
   */
  muteAfterMessages(count: number): void;
  /**
   * The next time a client sends something with `text` in it, the target gets it, and the client loses its
   * connection instead of getting the answer. Resolves when that has happened.
   */
  swallowAnswerTo(text: string): Promise<void>;
  /** From now on nothing comes through in either direction. */
  freeze(): void;
  /** Nothing comes through new connections, until told otherwise. */
  freezeNewConnections(frozen: boolean): void;
  stop(): Promise<void>;
}

/** Stands between a client and a server of this machine, and fails as asked. */
export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  const pairs = new Set<Pair>();
  let connections = 0;
  let freezeNew = false;
  let swallow: { text: string; done: () => void } | undefined;
  const server = createServer((client) => {
    connections++;
    const target = connect(targetPort, "127.0.0.1");
    const pair: Pair = { client, target, muteAfter: Infinity, frozen: freezeNew, cutAfter: Infinity };
    pairs.add(pair);
    for (const socket of [client, target]) {
      socket.on("error", () => {});
      socket.on("close", () => end(pair));
    }
    client.on("data", (chunk) => {
      if (pair.frozen) return;
      if (swallow && chunk.includes(swallow.text)) {
        pair.swallowed = swallow.done;
        swallow = undefined;
      }
      pair.cutAfter -= chunk.length;
      pair.muteAfter--;
      if (pair.cutAfter < 0) end(pair);
      else target.write(chunk);
    });
    target.on("data", (chunk) => {
      if (pair.swallowed) {
        // The target has answered: its work is done.
        end(pair);
        pair.swallowed();
        return;
      }
      if (pair.muteAfter > 0 && !pair.frozen) client.write(chunk);
    });
  });
  const end = (pair: Pair) => {
    pair.client.resetAndDestroy();
    pair.target.resetAndDestroy();
    pairs.delete(pair);
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const change = (changes: Partial<Pair>) => {
    for (const pair of pairs) Object.assign(pair, changes);
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    cut: () => pairs.forEach(end),
    cutAfterSending: (bytes) => change({ cutAfter: bytes }),
    muteAfterMessages: (count) => change({ muteAfter: count }),
    swallowAnswerTo: (text) =>
      new Promise((resolve) => {
        swallow = { text, done: resolve };
      }),
    freeze: () => change({ frozen: true }),
    freezeNewConnections: (frozen) => {
      freezeNew = frozen;
    },
    async stop() {
      pairs.forEach(end);
      server.close();
    },
  };
}

interface Pair {
  client: Socket;
  target: Socket;
  muteAfter: number;
  frozen: boolean;
  cutAfter: number;
  swallowed?: () => void;
}
