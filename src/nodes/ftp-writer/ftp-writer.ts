import type { Node, NodeAPI } from "node-red";
import { createFtpWriter, type FtpConnection, readFtpWriterOptions } from "../../lib";
import { runWriter, type WriterNodeDef } from "../shared/writer-node";

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-ftp-writer", function construct(this: Node, config: WriterNodeDef) {
    RED.nodes.createNode(this, config);
    runWriter<FtpConnection>(RED, this, config, {
      connection: { type: "delivery-ftp-connection", label: "FTP connection" },
      createWriter: (connection) => createFtpWriter(connection, readFtpWriterOptions(config)),
      readTemplates: ({ text }) => ({
        target: text("path") || "{{source.name}}",
        attributes: { doneFile: text("doneFile") },
      }),
    });
  });
}
