import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

export interface SaslServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Tells a mail server whether a login is right, in Dovecot's authentication protocol 1.1
 * (https://doc.dovecot.org/developer_manual/design/auth_protocol/), which Postfix speaks: so it needs no
 * users of this machine. Knows one user, by PLAIN (RFC 4616).
 */
export async function startSaslServer(user: string, password: string): Promise<SaslServer> {
  const sockets = new Set<Socket>();
  const expected = Buffer.from(`\0${user}\0${password}`).toString("base64");
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.write("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0\nDONE\n");
    createInterface(socket).on("line", (line) => {
      const [command, id, ...parameters] = line.split("\t");
      if (command !== "AUTH") return;
      const right = parameters.includes(`resp=${expected}`);
      socket.write(right ? `OK\t${id}\tuser=${user}\n` : `FAIL\t${id}\tuser=${user}\n`);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
