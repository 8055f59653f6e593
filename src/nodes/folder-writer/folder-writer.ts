import type { NodeAPI } from "node-red";
import { createFolderWriter, readFolderWriterOptions } from "../../lib";
import { registerWriterNode } from "../shared/writer-node";

export default function register(RED: NodeAPI): void {
  registerWriterNode(RED, {
    type: "delivery-folder-writer",
    createWriter: (_connection, config) => createFolderWriter(readFolderWriterOptions(config)),
    readTemplates: ({ text }) => ({
      target: text("path") || "{{source.name}}",
      attributes: { doneFile: text("doneFile") },
    }),
  });
}
