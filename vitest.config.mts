import { join } from "node:path";
import { defineConfig } from "vitest/config";

interface Project {
  include: string[];
  exclude?: string[];
  testTimeout: number;
  /** Loading Node-RED takes longer than most of its tests: the files of one worker share it. */
  isolate?: false;
}

/** They wait for real time-outs and move megabytes: too slow to run at every change. */
const slow = ["test/lib/**/*.contract.test.ts", "test/lib/**/*-faults.test.ts", "test/lib/**/*-exit.test.ts"];
const below = (folder: string) => [`test/${folder}/**/*.test.ts`];

/** Run in the order of their names: many small files at the end leave no worker with nothing to do. */
const projects: Record<string, Project> = {
  browser: { include: below("browser"), testTimeout: 240_000 },
  contracts: { include: slow, testTimeout: 30_000 },
  faults: { include: below("faults"), testTimeout: 60_000 },
  flows: { include: below("flows"), testTimeout: 120_000 },
  nodes: { include: below("nodes"), isolate: false, testTimeout: 30_000 },
  package: { include: below("package"), testTimeout: 60_000 },
  servers: { include: below("servers"), testTimeout: 60_000 },
  unit: { include: below("lib"), exclude: slow, testTimeout: 30_000 },
};

export default defineConfig({
  test: {
    // On two cores: the tests wait for servers, the disk and each other for about a third of their time.
    maxWorkers: 3,
    globalSetup: "test/support/compile-threads.mts",
    projects: Object.entries(projects).map(([name, { exclude = [], testTimeout, ...project }]) => ({
      test: {
        name,
        ...project,
        exclude,
        environment: "node",
        pool: "forks" as const,
        execArgv: ["--require", join(import.meta.dirname, "test/support/compiled-threads.cjs")],
        testTimeout,
        hookTimeout: Math.max(testTimeout, 30_000),
        allowOnly: false,
      },
    })),
  },
});
