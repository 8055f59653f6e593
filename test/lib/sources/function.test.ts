import { readdirSync } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { DeliveryError, prepareSource, type SourceInput } from "../../../src/lib";
import { freePort } from "../../support/free-port";
import { failureOf, until } from "./folder";
import { base, sha256Of, useSpool } from "./function-source";

const { spool, produce, contentOf } = useSpool();

describe("a function", () => {
  test.each<[string, () => unknown, string]>([
    ["text", () => "täxt", "täxt"],
    ["no text", () => "", ""],
    ["a Buffer", () => Buffer.from("buffer"), "buffer"],
    ["a part of a Buffer", () => Buffer.from("a buffer").subarray(2), "buffer"],
    ["a Uint8Array", () => new Uint8Array([65, 66]), "AB"],
    ["a promise of text", async () => "later", "later"],
    ["a list of texts and Buffers", () => ["a", Buffer.from("b"), "", "c"], "abc"],
    ["a list of promises", () => [Promise.resolve("a"), "b"], "ab"],
    ["a Set", () => new Set(["x", "y"]), "xy"],
    ["a Readable", () => Readable.from([Buffer.from("rea"), Buffer.from("dable")]), "readable"],
    ["a Readable of texts", () => Readable.from(["ä", "ö"]), "äö"],
    ["a web stream", () => new Response("web").body, "web"],
    [
      "a generator",
      function* () {
        yield "gen";
        yield "erator";
      },
      "generator",
    ],
    [
      "an async generator",
      async function* () {
        yield "async ";
        await wait(5);
        yield Buffer.from("gen");
      },
      "async gen",
    ],
  ])("may return %s", async (_, make, content) => {
    const spec = await produce(make);
    expect(spec).toEqual({
      kind: "spool",
      ...base,
      size: Buffer.byteLength(content),
      sha256: sha256Of(content),
    });
    expect(await contentOf(Promise.resolve(spec))).toBe(content);
  });

  test.each<[string, () => unknown, RegExp]>([
    ["nothing", () => undefined, /returned nothing \(undefined\)/],
    ["null", () => null, /returned nothing \(null\)/],
    ["a number", () => 42, /returned a number/],
    ["true", () => true, /returned a boolean/],
    ["an object", () => ({ a: 1 }), /JSON\.stringify/],
    ["a function", () => () => "x", /returned a function/],
    ["a list with a number", () => ["a", 1], /gave a number as a piece/],
    ["a list with nothing", () => ["a", undefined], /gave nothing \(undefined\) as a piece/],
    ["a Map", () => new Map([["a", "b"]]), /gave a list as a piece/],
    [
      "objects",
      async function* () {
        yield { a: 1 };
      },
      /gave an object/,
    ],
    ["a stream of objects", () => Readable.from([{ a: 1 }]), /gave an object/],
    ["a destroyed stream", () => Readable.from(["x"]).destroy(), /read already/],
  ])("must not return %s", async (_, make, words) => {
    const error = await failureOf(produce(make));
    expect(error.kind).toBe("invalid");
    expect(error.message).toMatch(words);
    expect(readdirSync(spool.folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  test.each<[string, () => unknown, string, RegExp]>([
    [
      "throws",
      () => {
        throw new Error("no such column: x");
      },
      "invalid",
      /The function of report\.csv failed: no such column: x\./,
    ],
    [
      "throws a text",
      () => {
        throw "just text";
      },
      "invalid",
      /failed: just text\./,
    ],
    [
      "throws nothing",
      () => {
        throw undefined;
      },
      "invalid",
      /failed: undefined\./,
    ],
    ["rejects", () => Promise.reject(new Error("later")), "invalid", /failed: later\./],
    [
      "gives fetch an address with a password",
      async () => fetch("http://user:canary@127.0.0.1/a@b.csv"),
      "invalid",
      /failed: .*http:\/\/\*\*\*@127\.0\.0\.1\/a@b\.csv\.$/,
    ],
    ["meets the network", () => Promise.reject(refused), "unavailable", /connect ECONNREFUSED/],
    [
      "meets the network in fetch",
      async () => fetch(`http://127.0.0.1:${await freePort()}/`),
      "unavailable",
      /fetch failed \(.*ECONNREFUSED/,
    ],
    [
      "wraps a network fault",
      () => Promise.reject(new Error("query failed", { cause: refused })),
      "unavailable",
      /query failed \(connect ECONNREFUSED\)/,
    ],
    [
      "times out",
      () => Promise.reject(new DOMException("The operation timed out", "TimeoutError")),
      "unavailable",
      /timed out/,
    ],
    [
      "meets a full disk",
      () => Promise.reject(Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC" })),
      "local",
      /no space/,
    ],
    [
      "throws a DeliveryError",
      () => Promise.reject(new DeliveryError("denied", "Ask Ann.")),
      "denied",
      /^Ask Ann\.$/,
    ],
    [
      "breaks off half-way",
      async function* () {
        yield "half";
        throw new Error("row 7 is broken");
      },
      "invalid",
      /row 7 is broken/,
    ],
    [
      "has a stream that fails",
      () =>
        new Readable({
          read() {
            this.destroy(new Error("cut"));
          },
        }),
      "invalid",
      /cut/,
    ],
  ])("that %s fails with its own words", async (_, make, kind, words) => {
    const error = await failureOf(produce(make));
    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(words);
    expect(readdirSync(spool.folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("that gives nothing for long is unavailable, and told to stop", async () => {
    let signal: AbortSignal | undefined;
    const hang = (given: AbortSignal) => {
      signal = given;
      return new Promise(() => {});
    };
    const error = await failureOf(produce(hang, { stallTimeoutMs: 30 }));
    expect(error.kind).toBe("unavailable");
    expect(error.message).toContain("The function of report.csv gave nothing");
    expect(signal?.aborted).toBe(true);
  });

  test("that gives too much is stopped early, its generator finished", async () => {
    let finished = false;
    let given = 0;
    let signal: AbortSignal | undefined;
    const endless = function* (own: AbortSignal) {
      signal = own;
      try {
        for (;;) {
          given += 100_000;
          yield Buffer.alloc(100_000);
        }
      } finally {
        finished = true;
      }
    };
    const error = await failureOf(produce(endless, { maxBytes: 1_000_000 }));
    expect(error.kind).toBe("rejected");
    expect(signal?.aborted).toBe(true);
    await until(() => finished);
    expect(given).toBeLessThan(5_000_000);
  });

  test("is interrupted by an abort, while it computes and while it gives", async () => {
    for (const make of [
      () => new Promise(() => {}),
      async function* () {
        yield "x";
        await new Promise(() => {});
      },
    ]) {
      const aborting = new AbortController();
      let signal: AbortSignal | undefined;
      const failed = failureOf(
        produce(
          (own) => {
            signal = own;
            return make();
          },
          { signal: aborting.signal },
        ),
      );
      await wait(20);
      aborting.abort();
      expect((await failed).kind).toBe("cancelled");
      expect(signal?.aborted).toBe(true);
    }
  });

  test("that gave everything is not told to stop, and leaves no listener behind", async () => {
    const { signal } = new AbortController();
    let own: AbortSignal | undefined;
    let added = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...given: Parameters<typeof addEventListener>) => {
      added++;
      addEventListener.apply(signal, given);
    };
    signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => {
      added--;
      removeEventListener.apply(signal, given);
    };
    await produce(
      (given) => {
        own = given;
        return ["all"];
      },
      { signal },
    );
    await wait(10);
    expect(own?.aborted).toBe(false);
    expect(added).toBe(0);
  });

  test("must give what was announced of it", async () => {
    const input = (announced: object): SourceInput => ({
      kind: "function",
      ...base,
      ...announced,
      produce: () => "abc",
    });
    await prepareSource(input({ size: 3, sha256: sha256Of("abc") }), { spool });
    expect((await failureOf(prepareSource(input({ size: 2 }), { spool }))).kind).toBe("changed");
    expect((await failureOf(prepareSource(input({ sha256: sha256Of("x") }), { spool }))).kind).toBe(
      "changed",
    );
  });
});
