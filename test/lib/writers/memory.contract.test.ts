import { createMemoryWriter } from "../../../src/lib/writers/memory";
import { describeWriterContract } from "./contract";

const files = new Map<string, Uint8Array>();

describeWriterContract({
  name: "memory",
  async start() {},
  async stop() {
    files.clear();
  },
  async createWriter(options) {
    return createMemoryWriter({ ...options, files });
  },
  async read(target) {
    const bytes = files.get(target);
    return bytes && Buffer.from(bytes);
  },
  async list() {
    return [...files.keys()];
  },
  async put(target, bytes) {
    files.set(target, bytes);
  },
});
