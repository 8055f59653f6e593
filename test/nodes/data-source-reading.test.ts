// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are functions that a person writes
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { sha256Of } from "../support/sources";
import { useDataSource } from "./support/flows";
import { type Message, useRuntime } from "./support/runtime";
import { dataSource, ends, ftpConnection, ftpWriter, useServers, watchers } from "./support/servers";

const runtime = useRuntime();
const servers = useServers();
const { load, sourceOf } = useDataSource(runtime);

/** What the spool keeps, delivered to a file of the FTP server's. */
async function contentOf(
  settings: Record<string, unknown>,
  msg: Message = { payload: "p" },
): Promise<string> {
  const { ftp } = servers;
  await runtime.load(
    [
      dataSource({ wires: [["writer"]], ...settings }),
      ftpConnection(servers),
      ftpWriter({ path: "out" }),
      ...ends("delivered", "failed"),
    ],
    { ftp: { user: ftp.user, password: ftp.password } },
  );
  runtime.send("source", msg);
  const { delivery } = await runtime.next("delivered");
  const content = await readFile(path.join(ftp.root, "out"), "utf8");
  expect(delivery.sha256).toBe(sha256Of(Buffer.from(content)));
  return content;
}

describe("a function may give", () => {
  test.each([
    ["text", "return 'abc'", "abc"],
    ["nothing but text of no length", "return ''", ""],
    ["a Buffer", "return Buffer.from('abc')", "abc"],
    ["an iterable", "return ['a', Buffer.from('b'), 'c']", "abc"],
    ["a generator", "return (function* () { yield 'a'; yield 'bc' })()", "abc"],
    ["an async iterable", "return (async function* () { yield 'a'; await 0; yield 'bc' })()", "abc"],
    ["a promise", "return new Promise(resolve => setTimeout(resolve, 20, 'abc'))", "abc"],
    ["a readable stream", "return msg.stream", "from a stream"],
    [
      "what the context and the environment have",
      "return `${env.get('HOME') !== ''} ${flow.get('nothing')}`",
      "true undefined",
    ],
  ])("%s", async (_, func, content) => {
    const msg = { stream: Readable.from([Buffer.from("from a "), Buffer.from("stream")]) };
    await load({ kind: "function", func });
    runtime.send("source", msg);
    const { source } = await runtime.next("out");
    expect(source).toMatchObject({ kind: "spool", sha256: sha256Of(Buffer.from(content)) });
  });

  test("content that reaches the target", async () => {
    const func = "return (async function* () { for (let n = 0; n < 100; n++) yield `${n};` })()";
    expect(await contentOf({ kind: "function", func })).toBe(
      Array.from({ length: 100 }, (_, n) => `${n};`).join(""),
    );
  });
});

test("a file that changes between the source and the writer is refused", async () => {
  const file = path.join(runtime.folder, "growing.log");
  await writeFile(file, "one line");
  const { source } = await sourceOf({ kind: "file", path: file });
  await writeFile(file, "one line\nand another");
  await runtime.load([ftpConnection(servers), ftpWriter(), ...ends("delivered", "failed")], {
    ftp: { user: servers.ftp.user, password: servers.ftp.password },
  });
  runtime.send("writer", { source });
  expect((await runtime.next("failed")).error).toMatchObject({
    kind: "changed",
    message: expect.stringContaining("growing.log"),
  });
});

test("a source that is being read ends with its node", async () => {
  const func = `
    signal.addEventListener("abort", () => process.emit("reading-ended"));
    process.emit("reading-started");
    await new Promise(() => {});`;
  const ended = once(process, "reading-ended");
  const reading = once(process, "reading-started");
  await load({ kind: "function", func });
  runtime.send("source", {});
  await runtime.status("source", { text: "reading" });
  await reading;
  const started = performance.now();
  await runtime.deploy([dataSource({ kind: "text", text: "new" }), ...ends("out"), ...watchers("source")]);
  await ended;
  expect(performance.now() - started).toBeLessThan(10_000);
  runtime.send("source", {});
  expect((await runtime.next("out")).source.text).toBe("new");
});
