import type { NodeAPI } from "node-red";
import { createFtpWriter, type FtpConnection, readFtpWriterOptions } from "../../lib";
import { registerWriterNode, type WriterNodeDef } from "../shared/writer-node";

interface Config extends WriterNodeDef {
  path: string;
}

export default function register(RED: NodeAPI): void {
  registerWriterNode<Config, FtpConnection>(RED, {
    type: "delivery-ftp-writer",
    connectionType: "delivery-ftp-connection",
    connectionLabel: "FTP connection",
    createWriter: (connection, config) => createFtpWriter(connection, readFtpWriterOptions(config)),
    targetTemplate: ({ path }) => path || "{{source.name}}",
  });
}
