import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { runInNewContext } from "node:vm";
import type { NodeMessage } from "node-red";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createSpool } from "../../src/lib";
import { keepMessage, restoreMessage } from "../../src/nodes/shared/kept-message";
import { useRuntime } from "./support/runtime";
import { credentialsOf, ends, ftpConnection, ftpWriter, retry, useServers } from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "kept-message-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(async () => {
  servers.ftp.hook = undefined;
  await runtime.load(
    [
      ftpConnection(servers),
      ftpWriter({ wires: [["delivered"], ["retry", "failed"]] }),
      retry({ preset: "custom", firstDelaySeconds: "0.05", jitterPercent: "0" }),
      ...ends("delivered", "failed", "retrying", "gaveUp"),
    ],
    credentialsOf(servers),
  );
});

class Reading {
  #raw = 1;
  unit = "K";
  get value() {
    return this.#raw;
  }
}

/** What no store can keep, each beside something that it can. */
function awkward() {
  const circle: Record<string, unknown> = { name: "circle" };
  circle.self = circle;
  const shared = { rows: [1, 2] };
  return {
    payload: { text: "x", format: () => "never kept" },
    topic: "t",
    circle,
    shared: [shared, shared],
    reading: new Reading(),
    timer: setTimeout(() => {}, 0),
    map: new Map([[1, 2]]),
  };
}

test("what is no plain data stays in a message until its first result, and takes nothing with it", async () => {
  const msg = awkward();
  const id = runtime.send("writer", msg);
  const first = await runtime.next("delivered");
  expect(first).toMatchObject({
    _msgid: id,
    topic: "t",
    shared: msg.shared,
    delivery: { state: "delivered" },
  });
  expect(first.payload.format()).toBe("never kept");
  expect(first.circle.self).toBe(first.circle);
  expect(first.reading).toBeInstanceOf(Reading);
  expect(first.map).toBeInstanceOf(Map);
});

test("after a retry only that is gone", async () => {
  let failures = 1;
  servers.ftp.hook = (command) => (command === "STOR" && failures-- > 0 ? { reply: "450 Busy" } : undefined);
  const msg = awkward();
  const id = runtime.send("writer", msg);
  const { delivery, metadata: _, ...again } = await runtime.next("delivered");
  expect(delivery).toMatchObject({ state: "delivered", attempt: 2 });
  expect(again).toEqual({
    _msgid: id,
    payload: { text: "x" },
    topic: "t",
    circle: { name: "circle" },
    shared: msg.shared,
    reading: { unit: "K" },
    map: {},
  });
});

test("Buffers come back as Buffers, however large they are, and dates as dates", async () => {
  const small = Buffer.from("small");
  const large = Buffer.alloc(100_000, "large");
  const payload = { small, rows: [{ at: new Date(0), bytes: small }], nothing: null };
  runtime.send("writer", { payload, small, large });
  const message = await runtime.next("delivered");
  expect(message).toMatchObject({ payload, small });
  expect(message.small.toString()).toBe("small");
  expect(large.equals(message.large)).toBe(true);
});

test("a large object and a large text come back as they were", async () => {
  const payload = Array.from({ length: 5_000 }, (_, id) => ({
    id,
    name: `customer ${id}`,
    city: "Somewhere",
  }));
  runtime.send("writer", { payload, big: "b".repeat(100_000) });
  const message = await runtime.next("delivered");
  expect(message.payload).toEqual(payload);
  expect(message.big).toBe("b".repeat(100_000));
});

test("a large object comes back also after a retry, with what is large in it, and lies in the spool", async () => {
  let failures = 1;
  servers.ftp.hook = (command) => (command === "STOR" && failures-- > 0 ? { reply: "450 Busy" } : undefined);
  const rows = Array.from({ length: 5_000 }, (_, id) => ({
    id,
    $odd: { $bytes: "no" },
    name: `customer ${id}`,
  }));
  const payload = { rows, deep: { text: "t".repeat(100_000), small: Buffer.from("small") } };
  const table = { rows, deep: { text: "u".repeat(100_000) } };
  runtime.send("writer", { payload, table });
  const message = await runtime.next("delivered");
  expect(message.delivery).toMatchObject({ attempt: 2 });
  expect(message.table).toEqual(table);
  expect(message.payload.rows).toEqual(rows);
  expect(message.payload.deep.text).toBe(payload.deep.text);
  expect(message.payload.deep.small.toString()).toBe("small");
  const { kept } = await keepMessage(
    { _msgid: "1", table } as NodeMessage,
    "delivery",
    createSpool({ folder }),
  );
  expect(JSON.stringify(kept).length).toBeLessThan(1_000);
  expect((await restoreMessage(kept, createSpool({ folder }))).message).toEqual({ _msgid: "1", table });
  expect(await restoreMessage(kept, createSpool({ folder: path.join(folder, "another") }))).toEqual({
    message: { _msgid: "1", table: null },
    lost: ["table", "table.deep.text"],
  });
});

test("what a function node made is plain data, and kept like any other", async () => {
  const payload = runInNewContext(
    `Array.from({ length: 5_000 }, (_, id) => ({ id, name: "customer " + id, in: {} }))`,
  );
  const bytes = runInNewContext("new Uint8Array(100_000).fill(1)");
  const message = { _msgid: "1", payload, bytes } as NodeMessage;
  const { kept, live } = await keepMessage(message, "delivery", createSpool({ folder }));
  expect(live).toEqual({});
  expect(kept).toMatchObject({
    message: { payload: null, bytes: null },
    large: [
      { path: ["payload"], type: "json" },
      { path: ["bytes"], type: "bytes" },
    ],
  });
  const restored = await restoreMessage(kept, createSpool({ folder }));
  expect(JSON.stringify(restored.message.payload)).toBe(JSON.stringify(payload));
  expect(Buffer.alloc(100_000, 1).equals((restored.message as { bytes?: Buffer }).bytes ?? Buffer.of())).toBe(
    true,
  );
});

test("how a delivery ended is told although the spool has lost a part of the message", async () => {
  servers.ftp.hook = async (command) => {
    if (command !== "RNTO") return undefined;
    for (const name of await readdir(runtime.folder)) {
      await rm(path.join(runtime.folder, name, "data-distribution", "spool"), {
        recursive: true,
        force: true,
      });
    }
    return undefined;
  };
  runtime.send("writer", { payload: "p".repeat(100_000), topic: "t" });
  expect(await runtime.next("delivered")).toMatchObject({
    payload: null,
    topic: "t",
    delivery: { state: "delivered", bytes: 100_000 },
  });
  const warnings = runtime.logged().map(({ msg }) => String(msg));
  expect(warnings).toContainEqual(expect.stringMatching(/no longer holds msg\.payload of delivery .{36};/));
});
