import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { useWriters } from "./support/flows";
import type { Message } from "./support/runtime";
import { bucket, ends, ftpWriter, notify, s3Writer, smtpConnection } from "./support/servers";

const { servers, runtime, load } = useWriters();

let goOn = () => {};
afterEach(() => goOn());

/** No upload and no mail is answered until `goOn`, or the end of the test. */
function stall(): void {
  const stalled = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const release = servers.s3.onRequest(async ({ operation }) => {
    if (operation === "PutObject") await stalled;
    return undefined;
  });
  servers.smtp.hook = async (command) => {
    if (command === "DATA") await stalled;
    return undefined;
  };
  void stalled.then(release);
}

const rows = (n: number) =>
  Array.from({ length: 5_000 }, (_, id) => ({ id, at: `row ${id} of ${n}`, in: { list: [id, null] } }));

/** Large in all ways, with what is small, and what no store can keep. */
const large = (n: number) => ({
  n,
  topic: "small",
  payload: Buffer.alloc(200_000, `payload ${n}`),
  text: `${n}`.repeat(100_000),
  rows: rows(n),
  dated: rows(n).map((row) => ({ ...row, at: new Date(row.id) })),
  nested: { name: `nested ${n}`, small: Buffer.from("small"), deep: [{ text: `${n}`.repeat(70_000) }] },
});
const heavy = ["payload", "text", "rows", "dated", "nested"];

const gone = (msg: Message) => heavy.filter((name) => msg[name] === null);
const waits = (msg: Message) => expect.poll(() => gone(msg)).toEqual(heavy);

function expectWhole(message: Message | undefined, n: number): void {
  const { payload, nested, dated, ...rest } = large(n);
  expect(message).toMatchObject({ ...rest, nested: { name: nested.name, deep: nested.deep } });
  expect(payload.equals(message?.payload)).toBe(true);
  expect(nested.small.equals(message?.nested.small)).toBe(true);
  expect(message?.dated[1].at).toEqual(dated[1]?.at);
}

const oneAtATime = { concurrency: "1", key: "{{msg.n}}" };

test("messages that wait let their large values go, and Complete nodes get them whole", async () => {
  stall();
  await load(s3Writer(oneAtATime));
  const format = () => "never kept";
  const messages = [1, 2, 3].map(
    (n): Message => ({ ...large(n), live: { format, text: "t".repeat(70_000) } }),
  );
  for (const message of messages) runtime.hand("writer", message);
  for (const message of messages) {
    await waits(message);
    expect(message).toMatchObject({ topic: "small", live: { text: "t".repeat(70_000), format } });
  }
  expect(runtime.received("completed")).toEqual([]);
  goOn();
  for (const n of [1, 2, 3]) {
    expectWhole(await runtime.next("completed"), n);
    expectWhole(await runtime.next("delivered"), n);
    expectWhole(messages[n - 1], n);
    expect(large(n).payload.equals((await servers.s3.read(bucket, `${n}`)) ?? Buffer.of())).toBe(true);
  }
});

test("a Catch node gets the whole message of a failure that is not wired", async () => {
  stall();
  await load(s3Writer({ ...oneAtATime, bucket: "not-there", wires: [["delivered"], []] }));
  const messages: Message[] = [large(1), large(2)];
  for (const message of messages) runtime.hand("writer", message);
  for (const message of messages) await waits(message);
  goOn();
  for (const n of [1, 2]) {
    const { error, delivery, ...caught } = await runtime.next("caught");
    expectWhole(caught, n);
    expect(error.source.id).toBe("writer");
    expect(delivery).toMatchObject({ state: "failed" });
  }
});

test("a message that notify has to tell of lets go of them, too, but for the record", async () => {
  stall();
  const complete = { id: "complete-notify", type: "complete", scope: ["notify"], wires: [["whole"]] };
  const told = [smtpConnection(servers), notify(), complete, ...ends("sent", "unsent", "whole")];
  await load(s3Writer(), ...told);
  const delivery = { id: "1", state: "delivered", location: "s3://reports/1", notes: ["n".repeat(70_000)] };
  const message: Message = { ...large(1), delivery };
  runtime.hand("notify", message);
  await waits(message);
  expect(message.delivery).toEqual(delivery);
  goOn();
  expectWhole(await runtime.next("whole"), 1);
  expectWhole(await runtime.next("sent"), 1);
});

test("a message that could not be kept is whole", async () => {
  runtime.nextLoad(async () => {
    await mkdir(path.join(runtime.userFolder, "data-distribution", "deliveries.sqlite"), { recursive: true });
  });
  await load(s3Writer());
  const message: Message = large(1);
  runtime.hand("writer", message);
  const caught = await runtime.next("caught");
  expectWhole(caught, 1);
  expect(caught.error.source.id).toBe("writer");
  expectWhole(message, 1);
});

test("so is one that is not taken, as another one with its text is on its way", async () => {
  stall();
  await load(s3Writer({ ...oneAtATime, onceKey: "{{msg.topic}}" }));
  const [first, second]: [Message, Message] = [large(1), large(2)];
  runtime.hand("writer", first);
  await waits(first);
  runtime.hand("writer", second);
  expectWhole(await runtime.next("completed"), 2);
  expectWhole(second, 2);
});

test("what the sender puts into its message meanwhile stays there", async () => {
  stall();
  await load(s3Writer(oneAtATime));
  const message: Message = large(1);
  runtime.hand("writer", message);
  message.payload = "next";
  await expect.poll(() => gone(message)).toEqual(heavy.slice(1));
  message.text = "next";
  goOn();
  expectWhole(await runtime.next("delivered"), 1);
  await runtime.next("completed");
  expect(message).toMatchObject({ payload: "next", text: "next", rows: large(1).rows });
});

test("Complete nodes hear of a delivery although the spool has lost a part of its message", async () => {
  await load(ftpWriter());
  servers.ftp.hook = async (command) => {
    if (command !== "RNTO") return undefined;
    const spool = path.join(runtime.userFolder, "data-distribution", "spool");
    await rm(spool, { recursive: true, force: true });
    return undefined;
  };
  runtime.send("writer", large(1));
  const { delivery } = await runtime.next("delivered");
  expect(delivery.state).toBe("delivered");
  const message = await runtime.next("completed");
  expect(message).toMatchObject({
    topic: "small",
    payload: null,
    rows: null,
    nested: { deep: [{ text: null }] },
  });
});
