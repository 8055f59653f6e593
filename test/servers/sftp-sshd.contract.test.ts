import {
  createSftpConnection,
  createSftpWriter,
  readSftpConnectionOptions,
  readSftpWriterOptions,
  type SftpConnection,
} from "../../src/lib/writers/sftp";
import { describeWriterContract, type WriterHarness } from "../lib/writers/contract";
import { type DiskTarget, diskTarget } from "../support/disk-target";
import { requireTool } from "../support/required";
import { type Sshd, sshdPath, startSshd } from "../support/sshd";

function sshd(title: string, verify: "size" | "read-back"): WriterHarness {
  let server: Sshd;
  let connection: SftpConnection;
  let disk: DiskTarget;
  return {
    name: `sftp (OpenSSH, ${title})`,
    folders: true,
    repeats: true,
    async start() {
      server = await startSshd();
      disk = diskTarget(server.root, server.owner);
      const { host, port, user, privateKey, knownHosts } = server;
      connection = createSftpConnection(
        readSftpConnectionOptions({ host, port, user, privateKey, hostKeys: knownHosts }),
      );
    },
    async stop() {
      await connection.close();
      await server.stop();
    },
    createWriter: async (writerOptions = {}) =>
      createSftpWriter(connection, readSftpWriterOptions({ verify, ...writerOptions })),
    read: (target) => disk.read(target),
    list: () => disk.list(),
    put: (target, bytes) => disk.put(target, bytes),
  };
}

if (requireTool("openssh-server", sshdPath)) {
  describeWriterContract(sshd("size compared", "size"));
  describeWriterContract(sshd("read back", "read-back"));
}
