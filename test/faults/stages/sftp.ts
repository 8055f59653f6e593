import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  createSftpConnection,
  createSftpWriter,
  readSftpConnectionOptions,
  readSftpWriterOptions,
} from "../../../src/lib";
import { diskTarget } from "../../support/disk-target";
import { startFaultProxy } from "../../support/fault-proxy";
import { type Sshd, startSshd } from "../../support/sshd";
import type { Stage } from "../scene";

export function openssh(): Stage {
  let server: Sshd;
  return {
    name: "sftp (OpenSSH)",
    async start() {
      server = await startSshd();
    },
    stop: () => server.stop(),
    async scene(row, options) {
      const { user, password, privateKey, passphrase, owner } = server;
      const root = join(server.root, row);
      await mkdir(root);
      await chown(root, owner.uid, owner.gid);
      const proxy = await startFaultProxy(server.port);
      const connection = createSftpConnection(
        readSftpConnectionOptions({
          ...{ host: proxy.host, port: proxy.port, user, password, root: row },
          hostKeys: server.fingerprints.ed25519,
          ...options.connection,
        }),
      );
      const writer = createSftpWriter(connection, readSftpWriterOptions({ ...options.writer }));
      return {
        ...diskTarget(root, owner),
        writer,
        proxy,
        where: connection.description,
        path: `${root}/`,
        secrets: [password, passphrase, ...privateKey.split("\n").filter((line) => line.length > 40)],
        async close() {
          await writer.close();
          await connection.close();
        },
        end: () => proxy.stop(),
      };
    },
  };
}
