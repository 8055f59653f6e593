import type { Node, NodeAPI } from "node-red";
import { createSftpWriter, readSftpWriterOptions, type SftpConnection } from "../../lib";
import { runWriter, type WriterNodeDef } from "../shared/writer-node";

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-sftp-writer", function construct(this: Node, config: WriterNodeDef) {
    RED.nodes.createNode(this, config);
    runWriter<SftpConnection>(RED, this, config, {
      connection: { type: "delivery-sftp-connection", label: "SFTP connection" },
      createWriter: (connection) => createSftpWriter(connection, readSftpWriterOptions(config)),
      readTemplates: ({ text }) => ({
        target: text("path") || "{{source.name}}",
        attributes: { doneFile: text("doneFile") },
      }),
    });
  });
}
