import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { testSource } from "../../support/sources";
import { filesOf, ftpBench, on } from "./ftp-bench";

const content = "the new content";
const md5 = createHash("md5").update(content).digest("hex");
const sha256 = createHash("sha256").update(content).digest("hex");
const done = { doneFile: "a.txt.done" };

test("the checksum file, then the done file, each under a temporary name, after the content", async () => {
  const bench = await ftpBench({ writer: { checksumFile: "sha256", verify: "size" } });
  const source = testSource(Buffer.from(content));
  await bench.disk.put("in/b.txt", Buffer.from("b"));
  await bench.deliver(source, "in/a.txt", { attributes: done });
  expect(source.reads).toBe(1);
  expect(await filesOf(bench)).toEqual({
    "in/b.txt": "b",
    "in/a.txt": content,
    "in/a.txt.sha256": `${sha256}  a.txt\n`,
    "in/a.txt.done": "",
  });
  const renames = bench.commands().filter((command) => /^(STOR|RNFR|RNTO)/.test(command));
  const temporary = expect.stringMatching(/\/in\/\.[0-9a-f]{32}\.part$/);
  expect(renames).toEqual([
    temporary,
    temporary,
    "RNTO /in/a.txt",
    temporary,
    temporary,
    "RNTO /in/a.txt.sha256",
    temporary,
    temporary,
    "RNTO /in/a.txt.done",
  ]);
});

test.each(["sha256", "md5"])("%ssum -c reads it, whatever the name", async (checksumFile) => {
  const bench = await ftpBench({ writer: { checksumFile } });
  for (const name of [" a b.txt ", "ünï 名.txt", "back\\slash.txt", "-n", "*.txt"]) {
    await bench.deliver(content, name);
    const output = execFileSync(`${checksumFile}sum`, ["-c", "--", `${name}.${checksumFile}`], {
      cwd: bench.server.root,
      encoding: "utf8",
    });
    expect(output).toMatch(/: OK\n$/);
  }
});

test("MD5 costs no second pass, with a hash command or without", async () => {
  const bench = await ftpBench({ writer: { checksumFile: "md5" } });
  const source = testSource(Buffer.from(content));
  await bench.deliver(source, "a.txt");
  expect(source.reads).toBe(1);
  expect(await filesOf(bench)).toMatchObject({ "a.txt.md5": `${md5}  a.txt\n` });
});

test("keep-both: what is beside a numbered file has its number, too", async () => {
  const bench = await ftpBench({ writer: { checksumFile: "md5", conflict: "keep-both" } });
  for (let n = 0; n < 2; n++) await bench.deliver(content, "a.txt", { attributes: done });
  expect(Object.keys(await filesOf(bench)).sort()).toEqual(
    ["a.txt", "a.txt.done", "a.txt.md5", "a-1.txt", "a-1.txt.done", "a-1.txt.md5"].sort(),
  );
});

test.each(["in/a.done", "..", "", "a\r\nDELE b", "a.txt", "/a.done"])(
  "the done file's name %j: refused before anything is sent, or none",
  async (doneFile) => {
    const bench = await ftpBench();
    if (doneFile === "") {
      await bench.deliver(content, "a.txt", { attributes: { doneFile } });
      expect(await filesOf(bench)).toEqual({ "a.txt": content });
      return;
    }
    const error = await bench.fail(content, "a.txt", { attributes: { doneFile } });
    expect(error.kind).toBe("invalid");
    expect(bench.server.commands).toEqual([]);
  },
);

describe("something goes wrong beside the content", () => {
  const all = { "a.txt": content, "a.txt.done": "" };
  const isDone = (argument: string) => argument.endsWith(".done");

  test("the last answer is lost: all is there, once", async () => {
    for (const command of ["STOR", "RNTO"]) {
      const bench = await ftpBench();
      let seen = 0;
      bench.server.hook = (name) => (name === command && ++seen === 2 ? { drop: "after" } : undefined);
      await bench.deliver(content, "a.txt", { attributes: done });
      expect(seen).toBeGreaterThan(1);
      expect(await filesOf(bench)).toEqual(all);
    }
  });

  test("the done file is refused: the content stays, the error says both, the repeat only mends that", async () => {
    const bench = await ftpBench();
    const deliveryId = "one";
    const writer = bench.writer();
    let seen = 0;
    bench.server.hook = (name) => (name === "STOR" && ++seen === 2 ? { reply: "452 No room." } : undefined);
    const options = { deliveryId, attributes: done };
    const error = await bench.failWith(writer, content, "a.txt", options);
    expect(error).toMatchObject({ kind: "unavailable", code: "452" });
    expect(error.message).toMatch(/a\.txt is in its place, but a\.txt\.done beside it is not\. /);
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
    bench.server.hook = undefined;
    bench.commands();
    await bench.deliverWith(writer, content, "a.txt", { ...options, begun: 2 });
    expect(bench.commands().filter((command) => command.startsWith("STOR"))).toHaveLength(1);
    expect(await filesOf(bench)).toEqual(all);
  });

  test.each(["replace", "fail", "keep-both", "skip-identical"])(
    "killed between content and done file: the repeat writes the latter (%s)",
    async (conflict) => {
      const bench = await ftpBench({ writer: { conflict } });
      await bench.disk.put("a.txt", Buffer.from(content));
      await bench.deliver(content, "a.txt", { attributes: done, begun: 2 });
      expect(await filesOf(bench)).toEqual(all);
    },
  );

  test("identical content of somebody else is skipped without a sign of ours", async () => {
    const bench = await ftpBench({ writer: { conflict: "skip-identical" } });
    await bench.disk.put("a.txt", Buffer.from(content));
    await bench.deliver(content, "a.txt", { attributes: done });
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("an old done file is replaced, also where the server does not rename over a file", async () => {
    const bench = await ftpBench();
    await bench.disk.put("a.txt.done", Buffer.from("old"));
    bench.server.hook = async (command, argument) =>
      command === "RNTO" && (await bench.disk.read(argument)) ? { reply: "550 File exists." } : undefined;
    await bench.deliver(content, "a.txt", { attributes: done });
    expect(await filesOf(bench)).toEqual(all);
  });

  test("a server that does not rename at all gets both under their own names", async () => {
    const bench = await ftpBench();
    bench.server.hook = on("RNFR", { reply: "502 Not known." });
    await bench.deliver(content, "a.txt", { attributes: done });
    expect(await filesOf(bench)).toEqual(all);
    expect(bench.commands().some((command) => command.startsWith("STOR") && isDone(command))).toBe(true);
  });

  test("the upload fails: no sign of it is written", async () => {
    const bench = await ftpBench({ writer: { checksumFile: "md5" } });
    bench.server.hook = on("STOR", { keepBytes: 3 });
    await bench.fail(content, "a.txt", { attributes: done });
    expect(await filesOf(bench)).toEqual({});
  });
});
