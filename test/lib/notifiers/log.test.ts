import { expect, test } from "vitest";
import { createLogNotifier } from "../../../src/lib";

test("the log gets subject and text at the notification's level, without recipients", async () => {
  const entries: [level: string, text: string][] = [];
  const notifier = createLogNotifier((level, text) => entries.push([level, text]));
  const context = { signal: new AbortController().signal, onProgress() {} };
  const tell = (level: "info" | "error") =>
    notifier.notify(
      { id: `id-${level}`, subject: "Subject", text: "Text\n", recipients: [], level },
      context,
    );
  expect(await tell("info")).toEqual({ location: "log", messageId: "id-info", notes: [] });
  await tell("error");
  await notifier.close();
  expect(entries).toEqual([
    ["info", "Subject\n\nText\n"],
    ["error", "Subject\n\nText\n"],
  ]);
});
