import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type AttemptContext,
  createLogNotifier,
  createMemoryStore,
  createMemoryWriter,
  createSpool,
  type Delivery,
  type DeliveryDraft,
  DeliveryError,
  type DeliveryErrorDetails,
  type Notification,
  type NotificationContext,
  notificationDraft,
  notifierAttempt,
  type SourceSpec,
  toErrorRecord,
  type WriteRequest,
  type Writer,
  writerAttempt,
} from "../../../src/lib";
import { draftOf, receipt } from "./runner-bench";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attempt-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const spool = () => createSpool({ folder: path.join(folder, "spool") });
const context = (signal = new AbortController().signal): AttemptContext => ({ signal, onProgress() {} });

async function deliveryOf(changes: Partial<DeliveryDraft>): Promise<Delivery> {
  return (await createMemoryStore().accept(draftOf(changes))).delivery;
}

const connectionLost = () => new DeliveryError("unavailable", "The connection was lost.", { code: "EPIPE" });

/** As a transport does: whatever happens to the source, what it sees is a broken connection. */
function blindWriter(): Writer {
  return {
    type: "blind",
    locate: (target) => target,
    async write(source, _request, { signal }) {
      try {
        const reading = await source.read({ signal });
        for await (const _chunk of reading.stream);
      } catch {
        throw connectionLost();
      }
      throw connectionLost();
    },
    async close() {},
  };
}

async function failureOf(source: SourceSpec, signal?: AbortSignal): Promise<DeliveryError> {
  const delivery = await deliveryOf({ source });
  const attempt = writerAttempt(blindWriter(), { spool: spool() });
  const error: unknown = await attempt(delivery, context(signal)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DeliveryError);
  return error as DeliveryError;
}

describe("a writer's attempt", () => {
  test("hands the writer all that the delivery says", async () => {
    const requests: WriteRequest[] = [];
    const names: unknown[] = [];
    const writer: Writer = {
      ...blindWriter(),
      async write(source, request) {
        requests.push(request);
        names.push([source.name, source.size]);
        return receipt;
      },
    };
    const source: SourceSpec = { kind: "text", name: "a.csv", text: "1;2", contentType: "text/csv" };
    const one = await deliveryOf({ source, metadata: { title: "T" }, attributes: { acl: "private" } });
    const two = { ...(await deliveryOf({ source, contentType: "text/plain" })), begun: 2 };
    const attempt = writerAttempt(writer, { spool: spool() });
    expect(await attempt(one, context())).toEqual(receipt);
    await attempt(two, context());
    expect(requests).toEqual([
      {
        deliveryId: one.id,
        target: "report.txt",
        contentType: "text/csv",
        metadata: { title: "T" },
        attributes: { acl: "private" },
        begun: one.begun,
      },
      {
        deliveryId: two.id,
        target: "report.txt",
        contentType: "text/plain",
        metadata: {},
        attributes: {},
        begun: 2,
      },
    ]);
    expect(names).toEqual([
      ["a.csv", 3],
      ["a.csv", 3],
    ]);
  });

  test("each attempt reads the same bytes anew", async () => {
    const writer = createMemoryWriter({ conflict: "keep-both" });
    const attempt = writerAttempt(writer, { spool: spool() });
    const delivery = await deliveryOf({});
    const receipts = [await attempt(delivery, context()), await attempt(delivery, context())];
    expect([...writer.files.values()].map(String)).toEqual(["content", "content"]);
    expect(receipts[1]?.sha256).toBe(receipts[0]?.sha256);
  });

  test("a source that cannot be opened explains the failure, not the connection", async () => {
    const missing = path.join(folder, "gone.txt");
    expect(await failureOf({ kind: "file", name: "gone.txt", path: missing })).toMatchObject({
      kind: "missing",
    });
  });

  test("a source that changes half-way explains the failure, not the connection", async () => {
    const file = path.join(folder, "changed.txt");
    await writeFile(file, "longer than announced");
    expect(await failureOf({ kind: "file", name: "changed.txt", path: file, size: 5 })).toMatchObject({
      kind: "changed",
    });
    expect(await failureOf({ kind: "text", name: "a.txt", text: "short", size: 99 })).toMatchObject({
      kind: "changed",
    });
  });

  test("a source of which the spool knows nothing is a fault of this machine", async () => {
    const sha256 = "0".repeat(64);
    const error = await failureOf({ kind: "spool", name: "a.txt", size: 1, sha256 });
    expect(error.kind).toBe("local");
  });

  test("a source that was fine, or was only interrupted, explains nothing", async () => {
    const source: SourceSpec = { kind: "text", name: "a.txt", text: "content" };
    expect(await failureOf(source)).toMatchObject({ kind: "unavailable", code: "EPIPE" });
    const signal = AbortSignal.abort(new DeliveryError("cancelled", "A deploy."));
    expect(await failureOf(source, signal)).toMatchObject({ kind: "unavailable", code: "EPIPE" });
  });
});

describe("a notification as a delivery", () => {
  const notification: Notification = {
    id: "delivery-1:delivered",
    subject: "Zugestellt: Müllers Bericht, “fertig”",
    text: "Alles gut.\n",
    recipients: ["ann@example.com", "bob@example.com"],
    level: "info",
  };

  test("reaches the notifier as it was, after a trip through a store", async () => {
    const draft: DeliveryDraft = { ...draftOf(), ...notificationDraft(notification) };
    const stored = JSON.parse(JSON.stringify(await deliveryOf(draft))) as Delivery;
    const told: Notification[] = [];
    const attempt = notifierAttempt({
      type: "mail",
      async notify(one) {
        told.push(one);
        return { location: "ann@example.com", messageId: "<1@example.com>", notes: ["bob was refused."] };
      },
      async close() {},
    });
    expect(await attempt(stored, context())).toEqual({
      location: "ann@example.com",
      outcome: "delivered",
      bytes: 11,
      sha256: "ae8c63a0ea776b01c51985fb4b65b8eca226a304814f646a0cdfd6314f0b5eac",
      verified: "none",
      notes: ["bob was refused."],
    });
    expect(told).toEqual([notification]);
  });

  test("tells the notifier when it was accepted, and whom earlier attempts have settled", async () => {
    const store = createMemoryStore();
    const { delivery } = await store.accept({ ...draftOf(), ...notificationDraft(notification) });
    const contexts: NotificationContext[] = [];
    const attempt = notifierAttempt({
      type: "mail",
      async notify(_, given) {
        contexts.push(given);
        return { location: "", messageId: "", notes: [] };
      },
      async close() {},
    });
    const recipients = { told: ["ann@example.com"], refused: [] };
    const failedWith = (details: DeliveryErrorDetails) => ({
      n: 1,
      startedAt: 0,
      elapsedMs: 0,
      error: toErrorRecord(new DeliveryError("unavailable", "Later.", details)),
    });
    await attempt(delivery, context());
    await attempt({ ...delivery, attempts: [failedWith({ recipients }), failedWith({})] }, context());
    expect(contexts.map(({ settled }) => settled)).toEqual([undefined, recipients]);
    expect(contexts.map(({ acceptedAt }) => acceptedAt)).toEqual([delivery.acceptedAt, delivery.acceptedAt]);
  });

  test("is accepted once for each notification", () => {
    const [one, two] = [notificationDraft(notification), notificationDraft(notification)];
    expect(one.onceKey).toBe(notification.id);
    expect(two.onceKey).toBe(one.onceKey);
    expect(two.id).not.toBe(one.id);
  });

  test("needs no recipients for the log", async () => {
    const lines: unknown[] = [];
    const draft = { ...draftOf(), ...notificationDraft({ ...notification, recipients: [] }) };
    const attempt = notifierAttempt(createLogNotifier((level, text) => lines.push([level, text])));
    expect(await attempt(await deliveryOf(draft), context())).toMatchObject({ location: "log" });
    expect(lines).toEqual([["info", `${notification.subject}\n\n${notification.text}`]]);
  });

  test("must be text", async () => {
    const attempt = notifierAttempt(createLogNotifier(() => {}));
    const delivery = await deliveryOf({ source: { kind: "file", name: "a", path: "/a" } });
    await expect(attempt(delivery, context())).rejects.toMatchObject({ kind: "internal" });
  });
});
