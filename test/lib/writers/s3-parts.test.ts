import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createByteBudget } from "../../../src/lib/writers/s3/byte-budget";
import { createPartReader } from "../../../src/lib/writers/s3/part-reader";
import { partSizeFor } from "../../../src/lib/writers/s3/part-size";

const mebibyte = 1024 * 1024;
const { signal: never } = new AbortController();

describe("part sizes", () => {
  test.each([
    ["small content", 8, 1, 1, 8],
    ["content that just fits into 10,000 parts", 8, 1, 80_000, 8],
    ["content that just does not fit", 8, 1, 80_001, 9],
    ["5 TiB", 8, 9_000, 5 * 1024 * 1024, 525],
  ])("%s", (_, preferred, n, size, expected) => {
    expect(partSizeFor(n, preferred * mebibyte, size * mebibyte)).toBe(expected * mebibyte);
  });

  test("known sizes stay under 10,000 parts, all of one size", () => {
    for (const size of [1, 79_999, 80_001, 1_000_000, 5_242_880].map((mib) => mib * mebibyte + 1)) {
      const partSize = partSizeFor(1, 8 * mebibyte, size);
      expect(Math.ceil(size / partSize)).toBeLessThanOrEqual(10_000);
      expect(partSizeFor(10_000, 8 * mebibyte, size)).toBe(partSize);
    }
  });

  test("unknown sizes grow in steps, far enough for the largest object", () => {
    expect(partSizeFor(900, 8 * mebibyte, undefined)).toBe(8 * mebibyte);
    expect(partSizeFor(901, 8 * mebibyte, undefined)).toBe(16 * mebibyte);
    let total = 0;
    for (let n = 1; n <= 10_000; n++) total += partSizeFor(n, 5 * mebibyte, undefined);
    expect(total).toBeGreaterThan(5 * 1024 ** 4);
  });
});

describe("byte budget", () => {
  test("grants what fits, in order, and waits with the rest", async () => {
    const budget = createByteBudget(10);
    const granted: string[] = [];
    const take = (name: string, bytes: number) =>
      budget.take(bytes, never).then((release) => {
        granted.push(name);
        return release;
      });
    const releaseA = await take("a", 6);
    const b = take("b", 6);
    const c = take("c", 1);
    await turn();
    expect(granted).toEqual(["a"]);
    releaseA();
    releaseA();
    const releaseB = await b;
    await c;
    expect(granted).toEqual(["a", "b", "c"]);
    const d = take("d", 10);
    await turn();
    releaseB();
    await turn();
    expect(granted).not.toContain("d");
    (await c)();
    await d;
  });

  test("more than everything is granted alone", async () => {
    const budget = createByteBudget(10);
    const release = await budget.take(100, never);
    let waited = true;
    const next = budget.take(1, never).then(() => {
      waited = false;
    });
    await turn();
    expect(waited).toBe(true);
    release();
    await next;
  });

  test("who is interrupted loses the place in the line, and nothing else", async () => {
    const budget = createByteBudget(10);
    const release = await budget.take(8, never);
    const controller = new AbortController();
    const blocked = budget.take(9, controller.signal);
    const behind = budget.take(2, never);
    controller.abort();
    await expect(blocked).rejects.toMatchObject({ kind: "cancelled" });
    await behind;
    release();
    await expect(budget.take(1, AbortSignal.abort())).rejects.toMatchObject({ kind: "cancelled" });
  });
});

describe("part reader", () => {
  const content = randomBytes(100_000);
  const chunked = (size: number) => {
    const chunks: Buffer[] = [];
    for (let at = 0; at < content.length; at += size) chunks.push(content.subarray(at, at + size));
    return Readable.from([Buffer.alloc(0), ...chunks, Buffer.alloc(0)]);
  };

  test.each([1000, 4096, 33_333, 100_000])("chunks of %i bytes come whole in parts", async (size) => {
    const reader = createPartReader(chunked(size));
    const parts: Buffer[] = [];
    while (!(await reader.ended())) {
      const buffer = Buffer.alloc(30_000);
      parts.push(buffer.subarray(0, await reader.fill(buffer)));
    }
    expect(parts.map((part) => part.length)).toEqual([30_000, 30_000, 30_000, 10_000]);
    expect(Buffer.concat(parts).equals(content)).toBe(true);
  });

  test.each([0, 1, 65_536, 99_999, 100_000, 200_000])("at most %i bytes into growing memory", async (max) => {
    const reader = createPartReader(chunked(7000));
    const part = await reader.read(max);
    expect(part.equals(content.subarray(0, max))).toBe(true);
    expect(await reader.ended()).toBe(max >= content.length);
  });

  test("little content takes little memory", async () => {
    const part = await createPartReader(Readable.from([Buffer.from("x")])).read(8 * mebibyte);
    expect(part.buffer.byteLength).toBeLessThanOrEqual(64 * 1024);
  });

  test("the stream's own error comes through", async () => {
    const stream = new Readable({ read: () => {} });
    const filling = createPartReader(stream).fill(Buffer.alloc(10));
    stream.destroy(new Error("broken"));
    await expect(filling).rejects.toThrow("broken");
  });
});
