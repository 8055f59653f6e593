import { type FtpServer, startFtpServer } from "../../../demo/servers/ftp";
import { createFtpConnection, createFtpWriter, type FtpConnection } from "../../../src/lib/writers/ftp";
import { readFtpConnectionOptions, readFtpWriterOptions } from "../../../src/lib/writers/ftp/options";
import { type CertificatePair, createAuthority } from "../../support/certificates";
import { type DiskTarget, diskTarget } from "../../support/disk-target";
import { describeWriterContract, type WriterHarness } from "./contract";

type Security = "none" | "explicit" | "implicit";

/** TLS with session reuse required, as servers in the wild ask for. */
function embedded(security: Security): WriterHarness {
  let server: FtpServer;
  let connection: FtpConnection;
  let disk: DiskTarget;
  return {
    name: `ftp (embedded, TLS ${security})`,
    folders: true,
    repeats: true,
    async start() {
      const authority = await createAuthority();
      const certificate: CertificatePair = await authority.issue();
      const tls = { ...certificate, requireSessionReuse: true };
      server = await startFtpServer(security === "none" ? {} : { tls: { ...tls, mode: security } });
      disk = diskTarget(server.root);
      const { host, port, user, password } = server;
      connection = createFtpConnection(
        readFtpConnectionOptions({ host, port, user, password, security, ca: authority.ca }),
      );
    },
    async stop() {
      await connection.close();
      await server.close();
    },
    createWriter: async (options = {}) => createFtpWriter(connection, readFtpWriterOptions(options)),
    read: (target) => disk.read(target),
    list: () => disk.list(),
    put: (target, bytes) => disk.put(target, bytes),
  };
}

for (const security of ["none", "explicit", "implicit"] as const) describeWriterContract(embedded(security));
