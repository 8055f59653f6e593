import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { type FtpServer, startFtpServer } from "../../demo/servers/ftp";
import type { ServerStoreOptions } from "../../src/lib";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { postgresPath, startPostgres } from "../support/postgres";
import { requireTool } from "../support/required";
import { provideRuntime, type Runtime, runtimeNames } from "../support/runtimes";

const files = 60;
const leaseMs = 30_000;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function flowOf(ftp: FtpServer, database: ServerStoreOptions): FlowNode[] {
  const on = { z: "tab" };
  const { kind, host, port, database: name, user, password } = database;
  return [
    { id: "tab", type: "tab", label: "shared" },
    { id: "button", type: "inject", ...on, props: [], wires: [["many"]] },
    {
      id: "many",
      type: "function",
      ...on,
      outputs: 1,
      func: `for (let n = 0; n < ${files}; n++) node.send({ payload: "report " + n, filename: n + ".txt" });`,
      wires: [["writer"]],
    },
    {
      id: "ftp",
      type: "delivery-ftp-connection",
      ...{ host: ftp.host, port: ftp.port, security: "none", root: "/" },
      credentials: { user: ftp.user, password: ftp.password },
    },
    {
      id: "store",
      type: "delivery-store",
      ...{ kind, host, port, database: name, security: "none", leaseSeconds: leaseMs / 1_000 },
      credentials: { user, password },
    },
    {
      id: "writer",
      type: "delivery-ftp-writer",
      ...on,
      ...{ connection: "ftp", store: "store", path: "{{source.name}}", concurrency: 2, conflict: "replace" },
      ...{ makeFolders: true, temporaryName: true, verify: "size", metadata: [] },
      wires: [["delivered"], ["failed"]],
    },
    ...["delivered", "failed"].map((id) => ({
      ...{ id, type: "debug", ...on, active: false, complete: "true", wires: [] },
    })),
  ];
}

for (const name of runtimeNames.filter(() => requireTool("postgresql", postgresPath))) {
  describe(name, () => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await provideRuntime(name);
    }, 240_000);

    const start = async (flow: FlowNode[]): Promise<NodeRedProcess> => {
      const userDir = await mkdtemp(join(tmpdir(), "shared-store-"));
      cleanups.push(() => rm(userDir, { recursive: true, force: true }));
      const nodeRed = await startNodeRed({ runtime, userDir, flows: flow });
      cleanups.push(() => nodeRed.kill());
      return nodeRed;
    };

    test("two Node-REDs share a writer's work, and one takes over when the other is killed", async () => {
      const server = await startPostgres();
      cleanups.push(() => server.stop());
      // Slow enough for both to get their share.
      const slow = (command: string) => (command === "STOR" ? { lastReplyDelayMs: 300 } : undefined);
      const ftp = await startFtpServer({ hook: slow });
      cleanups.push(() => ftp.close());
      const flow = flowOf(ftp, await server.createDatabase());
      const [first, second] = await Promise.all([start(flow), start(flow)]);
      const told = () => [...first.messages("delivered"), ...second.messages("delivered")];

      await first.inject("button");
      await first.until("its share", () => first.messages("delivered").length > 5 || undefined, 30_000);
      await second.until("its share", () => second.messages("delivered").length > 5 || undefined, 30_000);
      await first.kill();
      const killedAt = Date.now();
      const names = () => new Set(told().map(({ filename }) => filename));
      // What the first one has told was not yet noted when it ended: then it is told again, a minute later.
      await second.until("the rest", () => names().size === files || undefined, 150_000);

      expect(first.messages("failed")).toEqual([]);
      expect(second.messages("failed")).toEqual([]);
      const attempts = second.messages("delivered").map(({ delivery }) => delivery as AttemptTimes);
      const lastStart = Math.max(...attempts.map((one) => Date.parse(one.attempts.at(-1)?.startedAt ?? "")));
      expect(lastStart - killedAt).toBeLessThan(leaseMs + 10_000);
      const uploads = ftp.commands.filter((command) => command.startsWith("RNTO"));
      // Only what the killed one had in its hands may have been sent twice.
      expect(uploads.length).toBeGreaterThanOrEqual(files);
      expect(uploads.length).toBeLessThanOrEqual(files + 2);
    }, 300_000);
  });
}

interface AttemptTimes {
  attempts: { startedAt: string }[];
}
