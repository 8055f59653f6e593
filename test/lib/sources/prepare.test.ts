import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { openSource, prepareSource } from "../../../src/lib";
import { failureOf, readAll } from "./folder";
import { base, sha256Of, useSpool } from "./function-source";

const { spool, produce, contentOf } = useSpool();

describe("text and bytes", () => {
  test.each(["", "plain", "a\nb\r\nc\r", "\ufeffwith a BOM", "ünï 名 🎈"])(
    "%j comes byte for byte",
    async (text) => {
      const bytes = Buffer.from(text);
      const announced = { size: bytes.length, sha256: sha256Of(text) };
      for (const input of [
        { kind: "text", text },
        { kind: "bytes", bytes },
      ] as const) {
        const spec = await prepareSource({ ...base, ...input }, { spool });
        expect(spec).toEqual({ ...base, ...input, ...announced });
        const source = await openSource(spec, { spool });
        expect(source).toMatchObject({ ...base, ...announced });
        expect((await readAll(source)).equals(bytes)).toBe(true);
        expect((await readAll(source, { start: 3 })).equals(bytes.subarray(3))).toBe(true);
      }
    },
  );

  test("that are not what was announced are refused", async () => {
    const wrong = { kind: "text", text: "abc", ...base } as const;
    for (const announced of [{ size: 4 }, { sha256: sha256Of("abd") }]) {
      expect((await failureOf(prepareSource({ ...wrong, ...announced }, { spool }))).kind).toBe("changed");
      const source = await openSource({ ...wrong, ...announced }, { spool });
      expect((await failureOf(readAll(source))).kind).toBe("changed");
    }
  });

  test("that were altered after they were prepared are refused", async () => {
    const bytes = Buffer.from("before");
    const source = await openSource(await prepareSource({ kind: "bytes", bytes, ...base }, { spool }), {
      spool,
    });
    bytes.write("after!");
    expect((await failureOf(readAll(source))).kind).toBe("changed");
  });

  test("larger than allowed are rejected", async () => {
    const input = { kind: "text", text: "12345", ...base } as const;
    expect((await failureOf(prepareSource(input, { spool, maxBytes: 4 }))).kind).toBe("rejected");
  });
});

describe("a stream", () => {
  const streamed = (stream: Readable) => prepareSource({ kind: "stream", ...base, stream }, { spool });

  test("is read once and can be opened again and again", async () => {
    const spec = await streamed(Readable.from(["stre", "amed"]));
    expect(await contentOf(Promise.resolve(spec))).toBe("streamed");
    expect(await contentOf(Promise.resolve(spec))).toBe("streamed");
  });

  test.each<[string, () => Readable, string]>([
    [
      "fails",
      () =>
        new Readable({
          read() {
            this.destroy(new Error("cut"));
          },
        }),
      "unavailable",
    ],
    [
      "lacks its file",
      () =>
        new Readable({
          read() {
            this.destroy(Object.assign(new Error("ENOENT"), { code: "ENOENT" }));
          },
        }),
      "missing",
    ],
    [
      "is destroyed",
      () =>
        new Readable({
          read() {
            this.destroy();
          },
        }),
      "unavailable",
    ],
    ["is none", () => "text" as never, "invalid"],
  ])("that %s is refused", async (_, make, kind) => {
    const error = await failureOf((async () => streamed(make()))());
    expect(error.kind).toBe(kind);
    expect(error.message).toContain("the stream of report.csv".slice(4));
  });
});

describe("any source", () => {
  test.each([
    ["", "text/csv"],
    ["a/b", "text/csv"],
    ["..", "text/csv"],
    ["a\r\nb", "text/csv"],
    ["a.csv", "text/csv\r\nx: y"],
    ["a.csv", "csv"],
  ])("named %j of type %j is refused", async (name, contentType) => {
    const error = await failureOf(prepareSource({ kind: "text", text: "", name, contentType }, { spool }));
    expect(error.kind).toBe("invalid");
  });

  test("of an unknown kind is refused", async () => {
    const odd = { kind: "ftp", ...base } as never;
    expect((await failureOf(prepareSource(odd, { spool }))).kind).toBe("invalid");
    expect((await failureOf(openSource(odd, { spool }))).kind).toBe("invalid");
  });

  test("is not even looked at after an abort", async () => {
    let called = false;
    const call = () => {
      called = true;
      return "x";
    };
    expect((await failureOf(produce(call, { signal: AbortSignal.abort() }))).kind).toBe("cancelled");
    expect(called).toBe(false);
  });

  test("from the spool is refused when the spool has lost it", async () => {
    const spec = await produce(() => "here");
    expect(await prepareSource(spec, { spool })).toEqual(spec);
    const lost = { ...spec, sha256: sha256Of("not here") } as typeof spec;
    expect((await failureOf(prepareSource(lost, { spool }))).kind).toBe("local");
  });
});
