import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface DamagingProxy {
  readonly endpoint: string;
  /** How many times it did. */
  readonly damaged: number;
  close(): void;
}

/** A line to a port of this machine on which the first byte of `mark` never arrives as it was sent. */
export async function startDamagingProxy(port: number, mark: Uint8Array): Promise<DamagingProxy> {
  const sockets = new Set<Socket>();
  let damaged = 0;
  const server = createServer((client) => {
    const store = connect(port, "127.0.0.1");
    for (const socket of [client, store]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
    }
    client.on("data", (chunk) => {
      const at = chunk.indexOf(mark);
      if (at >= 0) {
        chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
        damaged++;
      }
      store.write(chunk);
    });
    client.on("close", () => store.destroy());
    store.on("close", () => client.destroy());
    store.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get damaged() {
      return damaged;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
