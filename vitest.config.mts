import { join } from "node:path";
import { defineConfig } from "vitest/config";

interface Project {
  include: string[];
  exclude?: string[];
  testTimeout: number;
  /** Loading Node-RED takes longer than most of its tests: the files of one worker share it. */
  isolate?: boolean;
  /** Projects with the same turn run side by side; the others wait: they measure, or load the machine. */
  turn: number;
  maxWorkers: number;
}

/** They wait for real time-outs and move megabytes: too slow to run at every change. */
const slow = ["test/lib/**/*.contract.test.ts", "test/lib/**/*-faults.test.ts", "test/lib/**/*-exit.test.ts"];
const below = (folder: string) => [`test/${folder}/**/*.test.ts`];

const projects: Record<string, Project> = {
  unit: { include: below("lib"), exclude: slow, testTimeout: 30_000, turn: 0, maxWorkers: 2 },
  contracts: { include: slow, testTimeout: 30_000, turn: 0, maxWorkers: 2 },
  nodes: { include: below("nodes"), isolate: false, testTimeout: 30_000, turn: 0, maxWorkers: 2 },
  servers: { include: below("servers"), testTimeout: 60_000, turn: 1, maxWorkers: 3 },
  faults: { include: below("faults"), testTimeout: 60_000, turn: 2, maxWorkers: 2 },
  package: { include: below("package"), testTimeout: 60_000, turn: 3, maxWorkers: 1 },
  flows: { include: below("flows"), testTimeout: 120_000, turn: 4, maxWorkers: 2 },
  browser: { include: below("browser"), testTimeout: 240_000, turn: 5, maxWorkers: 1 },
};

export default defineConfig({
  test: {
    globalSetup: "test/support/compile-threads.mts",
    projects: Object.entries(projects).map(([name, { exclude = [], turn, testTimeout, ...project }]) => ({
      test: {
        name,
        ...project,
        exclude,
        environment: "node",
        pool: "forks" as const,
        execArgv: ["--require", join(import.meta.dirname, "test/support/compiled-threads.cjs")],
        sequence: { groupOrder: turn },
        testTimeout,
        hookTimeout: Math.max(testTimeout, 30_000),
        allowOnly: false,
      },
    })),
  },
});
