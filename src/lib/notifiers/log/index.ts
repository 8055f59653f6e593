import type { Notifier } from "../../types";

/** Writes one entry of the log. */
export type LogFunction = (level: "info" | "error", text: string) => void;

/** Tells people by the log, which needs no recipients. `log` belongs to whoever passes it. */
export function createLogNotifier(log: LogFunction): Notifier {
  return {
    type: "log",
    async notify({ id, subject, text, level }) {
      log(level, `${subject}\n\n${text}`);
      return { location: "log", messageId: id, notes: [] };
    },
    async close() {},
  };
}
