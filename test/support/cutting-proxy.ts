import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface CuttingProxy {
  readonly port: number;
  /**
   * The next time a client sends something with `text` in it, the server gets it, and the client loses its
   * connection instead of getting the answer. Resolves when that has happened.
   */
  swallowAnswerTo(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Stands between a client and a server on this machine. */
export async function startCuttingProxy(serverPort: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let swallow: { text: string; done: () => void } | undefined;

  const proxy = createServer((client) => {
    const server = connect(serverPort, "127.0.0.1");
    let cutting: (() => void) | undefined;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on("data", (chunk) => {
      if (swallow && chunk.includes(swallow.text)) {
        cutting = swallow.done;
        swallow = undefined;
      }
      server.write(chunk);
    });
    server.on("data", (chunk) => {
      if (!cutting) return client.write(chunk);
      // The server has answered: its work is done.
      client.destroy();
      cutting();
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    port: (proxy.address() as AddressInfo).port,
    swallowAnswerTo: (text) =>
      new Promise((resolve) => {
        swallow = { text, done: resolve };
      }),
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
}
