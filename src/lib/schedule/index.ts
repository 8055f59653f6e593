export * from "./due-runs";
export * from "./options";
export * from "./records";
export type { RunningRun } from "./running-run";
export {
  type ScheduledStart,
  type Scheduler,
  type SchedulerParts,
  startScheduler,
} from "./scheduler";
export * from "./shared-scheduler";
export * from "./timetable";
