import type { NodeAPI } from "node-red";
import { createSftpWriter, readSftpWriterOptions, type SftpConnection } from "../../lib";
import { registerWriterNode, type WriterNodeDef } from "../shared/writer-node";

export default function register(RED: NodeAPI): void {
  registerWriterNode<WriterNodeDef, SftpConnection>(RED, {
    type: "delivery-sftp-writer",
    connection: { type: "delivery-sftp-connection", label: "SFTP connection" },
    createWriter: (connection, config) => createSftpWriter(connection, readSftpWriterOptions(config)),
    readTemplates: ({ text }) => ({
      target: text("path") || "{{source.name}}",
      attributes: { doneFile: text("doneFile") },
    }),
  });
}
