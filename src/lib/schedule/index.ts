export * from "./due-runs";
export * from "./options";
export * from "./records";
export * from "./scheduler";
export * from "./timetable";
