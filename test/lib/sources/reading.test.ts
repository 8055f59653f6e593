import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib";
import { onceFeed } from "../../../src/lib/sources/content";
import { createReading, type Feed, type ReadingOptions } from "../../../src/lib/sources/reading";
import { failureOf } from "./folder";

const content = Buffer.from("0123456789");
const sha256 = createHash("sha256").update(content).digest("hex");
const otherSha256 = createHash("sha256").update("other").digest("hex");

/** Feeds whose `next` the test answers by hand. */
function slowFeed(delaysMs: number[]): Feed & { closed: number } {
  const delays = [...delaysMs];
  const feed = {
    closed: 0,
    async next() {
      const delay = delays.shift();
      if (delay === undefined) return undefined;
      await wait(delay);
      return Buffer.from("x");
    },
    close() {
      feed.closed++;
    },
  };
  return feed;
}

async function drain(options: Partial<ReadingOptions>, feed: Feed = onceFeed(content, 4)) {
  const reading = createReading(feed, { what: "the source a.txt", ...options });
  const seen: Buffer[] = [];
  let ended = false;
  reading.stream.once("end", () => {
    ended = true;
  });
  try {
    for await (const chunk of reading.stream) seen.push(chunk);
  } catch (error) {
    if (ended) throw new Error("It ended, and failed afterwards.");
    throw error;
  }
  return { reading, bytes: Buffer.concat(seen) };
}

describe("a reading", () => {
  test("counts, hashes and tells of each chunk", async () => {
    const told: number[] = [];
    const { reading, bytes } = await drain({ size: 10, sha256, onBytes: (count) => told.push(count) });
    expect(bytes).toEqual(content);
    expect(reading.bytes).toBe(10);
    expect(reading.sha256()).toBe(sha256);
    expect(told).toEqual([4, 4, 2]);
  });

  test.each<[string, Partial<ReadingOptions>, string]>([
    ["fewer bytes than announced", { size: 11 }, "only 10 of the 11 bytes"],
    ["more bytes than announced", { size: 9 }, "more than the 9 bytes"],
    ["bytes where none were announced", { size: 0 }, "more than the 0 bytes"],
    ["other bytes than announced", { size: 10, sha256: otherSha256 }, "SHA-256 differs"],
    ["other bytes of no announced size", { sha256: otherSha256 }, "SHA-256 differs"],
  ])("fails as changed instead of ending with %s", async (_, options, words) => {
    const error = await failureOf(drain(options));
    expect(error.kind).toBe("changed");
    expect(error.message).toContain(words);
    expect(error.message).toContain("The source a.txt");
  });

  test("gives no byte beyond what was announced", async () => {
    const reading = createReading(onceFeed(content, 3), { what: "the source", size: 5 });
    let bytes = 0;
    reading.stream.on("data", (chunk) => {
      bytes += chunk.length;
    });
    await new Promise((resolve) => reading.stream.once("close", resolve));
    expect(bytes).toBeLessThanOrEqual(5);
  });

  test("checks no part against the whole", async () => {
    const { reading } = await drain({ start: 4, size: 10, sha256 }, onceFeed(content.subarray(4)));
    expect(reading.bytes).toBe(6);
  });

  test("passes the feed's own error on", async () => {
    const own = new DeliveryError("denied", "No.");
    const error = await failureOf(drain({}, { next: () => Promise.reject(own), close() {} }));
    expect(error).toBe(own);
  });

  test("fails as unavailable when the feed gives nothing, and closes it", async () => {
    const feed = slowFeed([0, 10_000]);
    const error = await failureOf(drain({ stallTimeoutMs: 50 }, feed));
    expect(error.kind).toBe("unavailable");
    expect(error.message).toBe("The source a.txt gave nothing for 0.1 seconds.");
    expect(feed.closed).toBe(1);
  });

  test("takes slow but steady bytes for no stall", async () => {
    const { bytes } = await drain({ stallTimeoutMs: 150 }, slowFeed([50, 50, 50, 50, 50, 50]));
    expect(bytes.length).toBe(6);
  });

  test("does not take a slow reader for a stall", async () => {
    const big = Buffer.alloc(5 * 1024 * 1024, 1);
    const reading = createReading(onceFeed(big), {
      what: "the source",
      size: big.length,
      stallTimeoutMs: 30,
    });
    let bytes = 0;
    for await (const chunk of reading.stream) {
      bytes += chunk.length;
      await wait(100);
    }
    expect(bytes).toBe(big.length);
  });

  test("asks for no more than is read", async () => {
    let asked = 0;
    const feed: Feed = {
      async next() {
        asked++;
        return Buffer.alloc(1024 * 1024);
      },
      close() {},
    };
    const { stream } = createReading(feed, { what: "the source" });
    stream.once("readable", () => {});
    await wait(50);
    expect(asked).toBeLessThanOrEqual(2);
    stream.destroy();
  });

  test("stops at once when it is aborted, also while it waits", async () => {
    const aborting = new AbortController();
    const feed = slowFeed([0, 10_000]);
    const failed = failureOf(drain({ signal: aborting.signal }, feed));
    await wait(20);
    aborting.abort();
    expect((await failed).kind).toBe("cancelled");
    expect(feed.closed).toBe(1);
  });

  test("tells its error also to those who come late", async () => {
    const reading = createReading(onceFeed(content), { what: "the source", signal: AbortSignal.abort() });
    await wait(10);
    const read = async () => {
      for await (const _ of reading.stream);
    };
    expect((await failureOf(read())).kind).toBe("cancelled");
  });

  test("closes the feed when it is destroyed early", async () => {
    const feed = slowFeed([0, 0, 0]);
    const { stream } = createReading(feed, { what: "the source" });
    stream.destroy();
    await new Promise((resolve) => stream.once("close", resolve));
    expect(feed.closed).toBe(1);
  });
});
