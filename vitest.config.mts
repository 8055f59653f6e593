import { defineConfig } from "vitest/config";

interface Folder {
  testTimeout: number;
  /** Folders with the same turn run side by side; the others wait: they measure, or load the machine. */
  turn: number;
  maxWorkers: number;
}

const folders: Record<string, Folder> = {
  lib: { testTimeout: 10_000, turn: 0, maxWorkers: 2 },
  nodes: { testTimeout: 15_000, turn: 0, maxWorkers: 2 },
  servers: { testTimeout: 60_000, turn: 1, maxWorkers: 1 },
  package: { testTimeout: 60_000, turn: 2, maxWorkers: 1 },
  flows: { testTimeout: 120_000, turn: 3, maxWorkers: 1 },
  browser: { testTimeout: 240_000, turn: 4, maxWorkers: 1 },
};

export default defineConfig({
  test: {
    projects: Object.entries(folders).map(([folder, { testTimeout, turn, maxWorkers }]) => ({
      test: {
        name: folder === "lib" ? "unit" : folder,
        include: [`test/${folder}/**/*.test.ts`],
        environment: "node",
        pool: "forks" as const,
        maxWorkers,
        sequence: { groupOrder: turn },
        testTimeout,
        hookTimeout: Math.max(testTimeout, 30_000),
        allowOnly: false,
      },
    })),
  },
});
