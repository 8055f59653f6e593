import type { NodeAPI } from "node-red";
import { createFtpWriter, type FtpConnection, readFtpWriterOptions } from "../../lib";
import { registerWriterNode, type WriterNodeDef } from "../shared/writer-node";

export default function register(RED: NodeAPI): void {
  registerWriterNode<WriterNodeDef, FtpConnection>(RED, {
    type: "delivery-ftp-writer",
    connection: { type: "delivery-ftp-connection", label: "FTP connection" },
    createWriter: (connection, config) => createFtpWriter(connection, readFtpWriterOptions(config)),
    readTemplates: ({ text }) => ({
      target: text("path") || "{{source.name}}",
      attributes: { doneFile: text("doneFile") },
    }),
  });
}
