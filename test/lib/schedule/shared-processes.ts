import { afterEach, beforeEach, vi } from "vitest";
import {
  DeliveryError,
  type DeliveryStore,
  openTimetable,
  readScheduleOptions,
  type ScheduledStart,
  type Scheduler,
  startSharedScheduler,
} from "../../../src/lib";
import type { StoreBackend } from "../../../src/lib/store/backend";
import { createLeaseStore } from "../../../src/lib/store/lease-store";
import { createMemoryBackend } from "../../../src/lib/store/memory";

export const morning = Date.parse("2026-11-24T06:00:00Z");
export const hourMs = 3_600_000;
export const leaseMs = 30_000;
export const schedule = { id: "schedule", type: "test", name: "Report" };

/** One of several processes that share a store: what it has run, and the way to cut it off. */
export interface Process {
  readonly store: DeliveryStore;
  readonly starts: ScheduledStart[];
  readonly waits: (number | undefined)[];
  readonly running: (number | undefined)[];
  readonly notices: string[];
  scheduler: Scheduler;
  isCut: boolean;
}

/**
 * The processes of each test of a file, on a store of its own. The wall clock is set by the tests, and goes on
 * a little while they look; the timers are real.
 * @param now where the clock stands at first
 * @param usual the settings of every schedule
 */
export function sharedProcesses(now: number, usual: object) {
  let backend: StoreBackend;
  const processes: Process[] = [];
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now });
    backend = createMemoryBackend();
  });
  afterEach(async () => {
    await Promise.all(processes.splice(0).map(({ scheduler }) => scheduler.close()));
    vi.useRealTimers();
  });

  async function start(settings: object = {}): Promise<Process> {
    const options = readScheduleOptions({ timeZone: "UTC", ...usual, ...settings });
    const timetable = await openTimetable(options);
    const cut = { isCut: false };
    const reached = new Proxy(backend, {
      get: (target, name: keyof StoreBackend) =>
        cut.isCut ? () => Promise.reject(new DeliveryError("local", "It is away.")) : target[name],
    });
    const store = createLeaseStore(reached, { leaseMs, lookEveryMs: 50 });
    const [starts, waits, running, notices]: [
      ScheduledStart[],
      Process["waits"],
      Process["running"],
      string[],
    ] = [[], [], [], []];
    const scheduler = startSharedScheduler({
      ...{ schedule, store, timetable, options, settleMs: 100 },
      run: (run) => starts.push(run),
      onWaiting: (next) => waits.push(next),
      onRunning: (since) => running.push(since),
      onNotice: (notice) => notices.push(notice),
    });
    const started = Object.assign(cut, { store, starts, waits, running, notices, scheduler });
    processes.push(started);
    return started;
  }

  return {
    processes,
    start,
    /** The store as somebody sees it who is none of them. */
    lookAtStore: () => createLeaseStore(backend, { leaseMs }),
    allRuns: () => processes.flatMap(({ starts }) => starts),
  };
}
