import type { Node, NodeAPI } from "node-red";
import { createFolderWriter, readFolderWriterOptions } from "../../lib";
import { runWriter, type WriterNodeDef } from "../shared/writer-node";

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-folder-writer", function construct(this: Node, config: WriterNodeDef) {
    RED.nodes.createNode(this, config);
    runWriter(RED, this, config, {
      createWriter: () => createFolderWriter(readFolderWriterOptions(config)),
      readTemplates: ({ text }) => ({
        target: text("path") || "{{source.name}}",
        attributes: { doneFile: text("doneFile") },
      }),
    });
  });
}
