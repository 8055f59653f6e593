import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import {
  type BullmqStoreOptions,
  createBullmqStore,
  openTimetable,
  readScheduleOptions,
  type ScheduledStart,
  startSharedScheduler,
} from "../../src/lib";
import { postgresPath, startPostgres } from "../support/postgres";
import { redisPath, startRedis } from "../support/redis";
import { requireTool } from "../support/required";

interface Server {
  createDatabase(): object | Promise<object>;
  stop(): Promise<unknown>;
}

const kinds = [
  { kind: "redis", tool: "redis-server", program: redisPath, start: (): Promise<Server> => startRedis() },
  {
    kind: "postgresql-queue",
    tool: "postgresql",
    program: postgresPath,
    start: (): Promise<Server> => startPostgres(),
  },
];
const patience = { timeout: 30_000, interval: 50 };

for (const { kind, tool, program, start } of kinds) {
  if (!requireTool(tool, program)) continue;
  test(`${kind}: a run that one process has started ends at another one, for which the next has waited`, async () => {
    const server = await start();
    onTestFinished(async () => void (await server.stop()));
    const access = { ...(await server.createDatabase()), kind } as BullmqStoreOptions;
    const options = readScheduleOptions({ cron: "* * * * * *", timeZone: "UTC", overlap: "wait" });
    const timetable = await openTimetable(options);
    const starts: ScheduledStart[] = [];
    const notices: string[] = [];
    const processes = [1, 2].map(() => {
      const store = createBullmqStore(access);
      const schedule = { id: "tab-schedule", type: "test", name: "" };
      const own: ScheduledStart[] = [];
      const scheduler = startSharedScheduler({
        ...{ schedule, store, timetable, options, settleMs: 200 },
        run: (one) => {
          own.push(one);
          starts.push(one);
        },
        onNotice: (notice) => notices.push(notice),
      });
      onTestFinished(async () => {
        await scheduler.close();
        await store.close();
      });
      return { store, own, scheduler };
    });
    for (let n = 1; n <= 3; n++) {
      await expect.poll(() => starts.length, patience).toBe(n);
      await sleep(1_500);
      expect(starts).toHaveLength(n);
      const run = starts[n - 1] as ScheduledStart;
      const other = processes.find(({ own }) => !own.includes(run));
      expect(await other?.scheduler.ended(run.runId)).toBe(true);
    }
    expect(starts.slice(1, 3).map(({ missed }) => missed > 0)).toEqual([true, true]);
    const { deliveries = [] } = (await processes[0]?.store.list({ states: ["delivered"] })) ?? {};
    expect(Math.max(...deliveries.map(({ attempts }) => attempts.length))).toBeLessThanOrEqual(2);
    expect(notices).toEqual([]);
  }, 120_000);
}
