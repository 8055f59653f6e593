import { expect, test } from "vitest";
import { createLogNotifier, createS3Connection, readS3ConnectionOptions } from "../../../src/lib";
import { presignLink } from "../../../src/lib/writers/s3/link";

test("the log gets subject and text at the notification's level, without recipients", async () => {
  const entries: [level: string, text: string][] = [];
  const notifier = createLogNotifier((level, text) => entries.push([level, text]));
  const context = { signal: new AbortController().signal, onProgress() {}, acceptedAt: Date.now() };
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

test("a signed link is not written to the log, while all around it is", async () => {
  const connection = createS3Connection(
    readS3ConnectionOptions({
      endpoint: "https://s3.example.com",
      pathStyle: true,
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: "planted-secret",
      sessionToken: "planted-token",
    }),
  );
  const { url } = await presignLink(connection, { bucket: "reports", key: "a b/ü.txt" }, 60);
  await connection.close();
  expect(url).toContain("X-Amz-Signature=");
  const entries: string[] = [];
  const notifier = createLogNotifier((_level, text) => entries.push(text));
  const text = `Link: ${url}\nand <${url}>.\nPlain: https://example.com/?q=1`;
  const context = { signal: new AbortController().signal, onProgress() {}, acceptedAt: Date.now() };
  await notifier.notify({ id: "id", subject: `At ${url}`, text, recipients: [], level: "info" }, context);
  const [entry = ""] = entries;
  expect(entry).not.toMatch(/X-Amz|planted|AKIDEXAMPLE/);
  expect(
    entry.match(/https:\/\/s3\.example\.com\/reports\/a%20b\/%C3%BC\.txt \(its signature/g),
  ).toHaveLength(3);
  expect(entry).toContain(">.\nPlain: https://example.com/?q=1");
});
