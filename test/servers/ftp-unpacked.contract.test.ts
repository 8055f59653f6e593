import { createFtpConnection, createFtpWriter, type FtpConnection } from "../../src/lib/writers/ftp";
import { readFtpConnectionOptions, readFtpWriterOptions } from "../../src/lib/writers/ftp/options";
import { describeWriterContract, type WriterHarness } from "../lib/writers/contract";
import { type DiskTarget, diskTarget } from "../support/disk-target";
import {
  proftpdPackages,
  pureFtpdPackages,
  startProftpd,
  startPureFtpd,
  type UnpackedFtpd,
} from "../support/unpacked-ftpd";
import { requirePackages } from "../support/unpacked-package";

interface Kind {
  name: string;
  present: boolean;
  start: () => Promise<UnpackedFtpd>;
  security: "none" | "explicit";
  deviations?: Record<string, string>;
}

const hasProftpd = requirePackages(...proftpdPackages);
const hasPureFtpd = requirePackages(...pureFtpdPackages);

const kinds: Kind[] = [
  { name: "ProFTPD", present: hasProftpd, start: () => startProftpd(), security: "none" },
  {
    name: "ProFTPD, TLS sessions resumed",
    present: hasProftpd,
    start: () => startProftpd({ tls: true }),
    security: "explicit",
  },
  {
    name: "Pure-FTPd",
    present: hasPureFtpd,
    start: () => startPureFtpd(),
    security: "none",
    deviations: {
      "name: trailing space": "it cuts spaces off the end of names, without a word",
      "name: folder with a leading and a trailing space": "it cuts spaces off the end of names",
    },
  },
];

function connect(
  { host, port, user, password, ca }: UnpackedFtpd,
  security: Kind["security"],
): FtpConnection {
  const tls = security === "none" ? {} : { security, ca };
  return createFtpConnection(readFtpConnectionOptions({ host, port, user, password, root: "", ...tls }));
}

function harness({ name, start, security, deviations }: Kind): WriterHarness {
  let server: UnpackedFtpd;
  let connection: FtpConnection;
  let disk: DiskTarget;
  return {
    name: `ftp (${name})`,
    folders: true,
    repeats: true,
    ...(deviations && { deviations }),
    async start() {
      server = await start();
      disk = diskTarget(server.root, server.owner);
      connection = connect(server, security);
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

for (const kind of kinds) if (kind.present) describeWriterContract(harness(kind));
