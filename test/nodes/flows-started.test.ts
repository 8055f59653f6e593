import { EventEmitter } from "node:events";
import type { NodeAPI } from "node-red";
import { expect, test } from "vitest";
import { whenFlowsStarted } from "../../src/nodes/shared/flows-started";

type Events = NodeAPI["events"];

test("many nodes wait for the start of the flows with one listener, and are each called back once", () => {
  const events = new EventEmitter();
  const started: number[] = [];
  const callOffs = Array.from({ length: 30 }, (_, n) =>
    whenFlowsStarted({ events: events as Events }, () => started.push(n)),
  );
  expect(events.listenerCount("flows:started")).toBe(1);
  callOffs[7]?.();
  events.emit("flows:started");
  expect(started).toEqual(Array.from({ length: 30 }, (_, n) => n).filter((n) => n !== 7));
  events.emit("flows:started");
  expect(started).toHaveLength(29);
});

test("a node that comes with a later deploy is called back with that one", () => {
  const events = new EventEmitter();
  const started: string[] = [];
  whenFlowsStarted({ events: events as Events }, () => started.push("first"));
  events.emit("flows:started");
  whenFlowsStarted({ events: events as Events }, () => started.push("second"));
  expect(started).toEqual(["first"]);
  events.emit("flows:started");
  expect(started).toEqual(["first", "second"]);
});

test("two runtimes in one process do not start each other's nodes", () => {
  const [one, other] = [new EventEmitter(), new EventEmitter()];
  const started: string[] = [];
  whenFlowsStarted({ events: one as Events }, () => started.push("one"));
  whenFlowsStarted({ events: other as Events }, () => started.push("other"));
  other.emit("flows:started");
  expect(started).toEqual(["other"]);
});
