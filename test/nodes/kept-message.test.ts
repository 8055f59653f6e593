import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { useRuntime } from "./support/runtime";
import { credentialsOf, ends, ftpConnection, ftpWriter, retry, useServers } from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

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
