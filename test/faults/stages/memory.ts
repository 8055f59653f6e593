import { createMemoryWriter } from "../../../src/lib";
import type { Stage } from "../scene";

/** No network and no disk: what goes wrong here is neither's fault. */
export const memory: Stage = {
  name: "memory",
  async start() {},
  async stop() {},
  async scene() {
    const writer = createMemoryWriter();
    return {
      writer,
      where: "memory",
      path: "",
      secrets: [],
      async read(name) {
        const bytes = writer.files.get(name);
        return bytes && Buffer.from(bytes);
      },
      list: async () => [...writer.files.keys()],
      async put(name, bytes) {
        writer.files.set(name, bytes);
      },
      close: () => writer.close(),
      async end() {},
    };
  },
};
