import { describe, expect, test } from "vitest";
import {
  composeNotification,
  DeliveryError,
  errorKinds,
  type NotificationRequest,
  type TemplateView,
  toErrorRecord,
} from "../../../src/lib";
import { humanDuration, humanSize } from "../../../src/lib/notifiers/report";

const now = new Date("2026-11-24T11:00:56Z");

/** As a writer and a retry node leave it. */
const delivered = {
  id: "3f1c",
  state: "delivered",
  writer: { id: "w1", type: "delivery-s3-writer", name: "Archive" },
  target: "reports/künden.csv",
  location: "s3://bucket/reports/künden.csv",
  url: "https://bucket.example/reports/k.csv?X-Amz-Signature=abc&X-Amz-Expires=3600",
  urlExpiresAt: "2026-11-25T11:00:55.000Z",
  bytes: 1_234_567,
  sha256: "a".repeat(64),
  etag: '"e"',
  verified: "checksum",
  attempt: 2,
  attempts: [
    {
      n: 1,
      startedAt: "2026-11-24T11:00:00.000Z",
      elapsedMs: 30_000,
      error: { kind: "unavailable", message: "Cannot reach it.", code: "ECONNREFUSED" },
    },
    { n: 2, startedAt: "2026-11-24T11:00:50.000Z", elapsedMs: 5000 },
  ],
  startedAt: "2026-11-24T11:00:00.000Z",
  finishedAt: "2026-11-24T11:00:55.000Z",
  elapsedMs: 55_000,
  notes: ["The link was cut to 7 days."],
};

const failure = {
  ...toErrorRecord(new DeliveryError("denied", "The login was refused: 530.", { code: "530" })),
  source: { id: "w1", type: "delivery-ftp-writer", name: "Partner" },
  deliveryId: "3f1c",
};

const gaveUp = {
  id: "3f1c",
  state: "gave-up",
  writer: { id: "w1", type: "delivery-ftp-writer", name: "" },
  target: "in/report.csv",
  location: "ftp://partner/in/report.csv",
  attempt: 1,
  attempts: [
    {
      n: 1,
      startedAt: "2026-11-24T11:00:00.000Z",
      elapsedMs: 340,
      error: { kind: "denied", message: failure.message, code: "530" },
    },
  ],
  startedAt: "2026-11-24T11:00:00.000Z",
  finishedAt: "2026-11-24T11:00:01.000Z",
  elapsedMs: 1000,
};

const metadata = { title: "Kundenliste 名", "generated-by": "the night job" };

function compose(view: Partial<TemplateView>, request: Partial<NotificationRequest> = {}) {
  return composeNotification({
    outcome: "delivered",
    view: { now, metadata, ...view },
    recipients: ["ann@example.test"],
    notifierId: "n1",
    timeZone: "Europe/Berlin",
    ...request,
  });
}

describe("the success text", () => {
  test("says all that the receipt proves", () => {
    expect(compose({ delivery: delivered, source: { name: "künden.csv" } })).toEqual({
      id: "n1:3f1c:delivered",
      subject: "Delivered: s3://bucket/reports/künden.csv",
      recipients: ["ann@example.test"],
      level: "info",
      text: `künden.csv was delivered to s3://bucket/reports/künden.csv after 2 attempts.

Link:      https://bucket.example/reports/k.csv?X-Amz-Signature=abc&X-Amz-Expires=3600
Valid to:  2026-11-25 12:00:55 (Europe/Berlin)

Target:    s3://bucket/reports/künden.csv
Size:      1.2 MB (1234567 bytes)
SHA-256:   ${"a".repeat(64)}
Verified:  by the checksum that the other side computed
Duration:  55.0 s
Finished:  2026-11-24 12:00:55 (Europe/Berlin)
Writer:    Archive
Delivery:  3f1c

Notes:
  The link was cut to 7 days.

Metadata:
  title: Kundenliste 名
  generated-by: the night job
`,
    });
  });

  test("leaves out what there is not", () => {
    const { url: _url, urlExpiresAt: _ends, notes: _notes, ...plain } = delivered;
    const { text } = compose({ delivery: plain, metadata: {} });
    expect(text).not.toMatch(/Link|Valid|Notes|Metadata|undefined/);
    expect(text).toMatch(/^künden\.csv was delivered/);
  });

  test("tells of content that was there already", () => {
    const { text } = compose({ delivery: { ...delivered, state: "skipped" } });
    expect(text).toMatch(/already at s3:.* nothing was sent/);
  });
});

describe("the failure text", () => {
  test("says what happened, what to do, and how often it was tried", () => {
    const notification = compose({ delivery: gaveUp, msg: { error: failure } }, { outcome: "gave-up" });
    expect(notification).toMatchObject({
      id: "n1:3f1c:gave-up",
      subject: "Not delivered: ftp://partner/in/report.csv (denied)",
      level: "error",
    });
    expect(notification.text).toBe(`report.csv could not be delivered to ftp://partner/in/report.csv.

Reason:      The login was refused: 530.
What to do:  Ask for valid credentials or for the permission, then deliver again.

Target:      ftp://partner/in/report.csv
Error kind:  denied
Error code:  530
Writer:      ftp writer
Delivery:    3f1c

Attempts:
  1. 2026-11-24 12:00:00 (Europe/Berlin), 340 ms: denied, 530: The login was refused: 530.

Metadata:
  title: Kundenliste 名
  generated-by: the night job

Details for whoever looks after the flow:
${failure.stack}
`);
  });

  test("takes the last attempt's error when the message has none", () => {
    const { subject, text } = compose({ delivery: gaveUp, msg: {} }, { outcome: "gave-up" });
    expect(subject).toMatch(/\(denied\)$/);
    expect(text).toMatch(/Reason: {6}The login was refused: 530\./);
  });

  test("tells of an error that came before any delivery", () => {
    const msg = {
      _msgid: "m1",
      error: { message: "x is not defined", source: { id: "f", type: "function" } },
    };
    const notification = compose({ msg }, { outcome: "gave-up" });
    expect(notification.id).toMatch(/^n1:m1:[0-9a-f]{16}:gave-up$/);
    expect(notification.subject).toBe("Failed before a delivery");
    expect(notification.text).toMatch(/Reason: {6}x is not defined\nWhat to do: {2}Look at/);
    expect(notification.text).not.toMatch(/Target|kind|undefined|Attempts/);
  });

  test("tells of each failure of a loop whose messages all have one id, and of each once", () => {
    const id = (message: string, source: string) =>
      compose({ msg: { _msgid: "m1", error: { message, source: { id: source } } } }, { outcome: "gave-up" })
        .id;
    expect(new Set([id("a is missing", "f"), id("b is missing", "f"), id("a is missing", "g")]).size).toBe(3);
    expect(id("a is missing", "f")).toBe(id("a is missing", "f"));
  });

  test("never calls a delivery failed that has arrived before something else went wrong", () => {
    const msg = { _msgid: "m1", error: { message: "x is not defined", source: { id: "f" } } };
    const { subject, text } = compose({ delivery: delivered, msg }, { outcome: "gave-up" });
    expect(subject).toBe("Failed before a delivery");
    expect(text).toMatch(/^Something failed.*\n\nReason: {6}x is not defined\n/);
    expect(text).not.toContain("künden.csv");
  });

  test("has advice for every kind of error", () => {
    const advice = errorKinds.map((kind) => {
      const { text } = compose(
        { delivery: gaveUp, msg: { error: { kind, message: "m" } } },
        { outcome: "gave-up" },
      );
      return /What to do: {2}(.+)\n/.exec(text)?.[1];
    });
    expect(new Set(advice).size).toBe(errorKinds.length);
    const odd = { kind: "constructor", message: "m" };
    expect(compose({ msg: { error: odd } }, { outcome: "gave-up" }).text).toMatch(/What to do: {2}Look at/);
  });
});

test.each([
  { attempts: 5, metadata: null },
  { attempts: [null, 1], target: 7, writer: null, bytes: "many", elapsedMs: {}, finishedAt: 5 },
])("a record that the flow has made up, %j, is told of as far as it goes", (made) => {
  const delivery = { id: "3f1c", state: "delivered", location: "ftp://x/y", ...made };
  expect(compose({ delivery }).text).toMatch(/was delivered to ftp:\/\/x\/y/);
  expect(compose({ delivery: { ...delivery, state: "failed" } }, { outcome: "gave-up" }).text).toMatch(
    /could not be delivered to ftp:\/\/x\/y/,
  );
});

describe("templates of one's own", () => {
  test("find the record, its derived fields and the error", () => {
    const view = { delivery: gaveUp, msg: { topic: "t", error: failure } };
    const notification = compose(view, {
      outcome: "gave-up",
      subjectTemplate: "{{msg.topic}}\n{{metadata.title}}: {{msg.error.code}}{{delivery.url}}",
      textTemplate:
        "{{msg.error.advice}} {{msg.error.source.name}} {{delivery.duration}} {{yyyy}} {{delivery.attempts.0.n}}",
    });
    expect(notification.subject).toBe("t Kundenliste 名: 530");
    expect(notification.text).toBe(
      "Ask for valid credentials or for the permission, then deliver again. Partner 1.0 s 2026 1",
    );
    // The flow's own objects stay as they were.
    expect(view.msg.error).toBe(failure);
    expect(failure).not.toHaveProperty("advice");
    expect(gaveUp).not.toHaveProperty("summary");
  });

  test.each([
    ["{{delivery.colour}}", /delivery\.colour/],
    ["{{#open}}", /not well formed/],
  ])("%s is refused", (template, sentence) => {
    for (const field of ["subjectTemplate", "textTemplate"] as const) {
      expect(() => compose({ delivery: delivered }, { [field]: template })).toThrow(
        expect.objectContaining({ kind: "invalid", message: expect.stringMatching(sentence) }),
      );
    }
  });

  test("an unknown time zone is refused", () => {
    expect(() => compose({ delivery: delivered }, { timeZone: "Mars/Olympus" })).toThrow(
      expect.objectContaining({ kind: "invalid", message: expect.stringContaining("Mars/Olympus") }),
    );
  });
});

test("the id depends on notifier, delivery and outcome alone", () => {
  const id = (request: Partial<NotificationRequest> = {}, delivery: object = delivered) =>
    compose({ delivery, now: new Date(), msg: { _msgid: String(Math.random()) } }, request).id;
  expect(id()).toBe(id({ recipients: ["bob@x.test"], textTemplate: "other" }));
  expect(new Set([id(), id({ notifierId: "n2" }), id({ outcome: "gave-up" }), id({}, gaveUp)]).size).toBe(3);
  expect(id({}, { ...delivered, id: "other" })).not.toBe(id());
});

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1000, "1.0 kB (1000 bytes)"],
  [1_234_567, "1.2 MB (1234567 bytes)"],
  [10 * 2 ** 30, "10.7 GB (10737418240 bytes)"],
  [5e15, "5000.0 TB (5000000000000000 bytes)"],
])("%d bytes read %s", (bytes, text) => expect(humanSize(bytes)).toBe(text));

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [3400, "3.4 s"],
  [60_000, "1 min 0 s"],
  [125_000, "2 min 5 s"],
  [3_600_000, "1 h 0 min"],
  [90_061_000, "25 h 1 min"],
])("%d ms read %s", (ms, text) => expect(humanDuration(ms)).toBe(text));
