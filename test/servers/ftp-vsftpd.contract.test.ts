import { createFtpConnection, createFtpWriter, type FtpConnection } from "../../src/lib/writers/ftp";
import { readFtpConnectionOptions, readFtpWriterOptions } from "../../src/lib/writers/ftp/options";
import { describeWriterContract, type WriterHarness } from "../lib/writers/contract";
import { type DiskTarget, diskTarget } from "../support/disk-target";

import { requireTool } from "../support/required";
import { startVsftpd, type Vsftpd, vsftpdPath } from "../support/vsftpd";

/** FTPS with `require_ssl_reuse=YES`. */
function vsftpd(security: "none" | "explicit" | "implicit"): WriterHarness {
  let server: Vsftpd;
  let connection: FtpConnection;
  let disk: DiskTarget;
  return {
    name: `ftp (vsftpd, TLS ${security})`,
    folders: true,
    repeats: true,
    async start() {
      server = await startVsftpd(security === "none" ? {} : { tls: security });
      disk = diskTarget(server.root, server.owner);
      const { host, port, user, password, ca } = server;
      connection = createFtpConnection(
        readFtpConnectionOptions({ host, port, user, password, security, ca }),
      );
    },
    async stop() {
      await connection.close();
      await server.stop();
    },
    createWriter: async (options = {}) => createFtpWriter(connection, readFtpWriterOptions(options)),
    read: (target) => disk.read(target),
    list: () => disk.list(),
    put: (target, bytes) => disk.put(target, bytes),
  };
}

if (requireTool("vsftpd", vsftpdPath)) {
  for (const security of ["none", "explicit", "implicit"] as const) describeWriterContract(vsftpd(security));
}
