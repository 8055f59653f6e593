// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how Node-RED writes environment variables
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { useRuntime } from "./support/runtime";
import { ends, folderWriter, watchers } from "./support/servers";

const runtime = useRuntime();
let root: string;

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "folder-node-"));
  onTestFinished(() => rm(root, { recursive: true }));
});

async function load(settings: Record<string, unknown> = {}) {
  await runtime.load([
    folderWriter({ root, ...settings }),
    ...ends("delivered", "failed"),
    ...watchers("writer"),
  ]);
}

const content = (name: string) => readFile(path.join(root, name), "utf8");

test("the message that a folder writer passes on keeps everything and gains the delivery", async () => {
  await load({ metadata: [{ name: "by", value: "{{msg.topic}}" }] });
  const source = { kind: "text", name: "a.txt", text: "hello" };
  const id = runtime.send("writer", { source, payload: 5, topic: "night", metadata: { title: "A" } });
  const { delivery, ...rest } = await runtime.next("delivered");
  expect(rest).toEqual({
    _msgid: id,
    source,
    payload: 5,
    topic: "night",
    metadata: { title: "A", by: "night" },
  });
  expect(delivery).toMatchObject({
    state: "delivered",
    writer: { id: "writer", type: "delivery-folder-writer", name: "To a folder" },
    target: "a.txt",
    location: `file://${root}/a.txt`,
    bytes: 5,
    verified: "read-back",
    notes: [],
    attempt: 1,
  });
  expect(await content("a.txt")).toBe("hello");
  await runtime.next("completed");
  await runtime.status("writer", { fill: "green", text: "delivered a.txt, 5 B, read back" });
});

test("its settings reach the writer", async () => {
  await load({ path: "in/{{msg.topic}}/x.csv", fileMode: "640", verify: "size", conflict: "keep-both" });
  for (const payload of ["one", "two"]) {
    runtime.send("writer", { payload, topic: "deep" });
    expect((await runtime.next("delivered")).delivery).toMatchObject({ verified: "size" });
  }
  expect((await readdir(path.join(root, "in/deep"))).sort()).toEqual(["x-1.csv", "x.csv"]);
  expect(await content("in/deep/x-1.csv")).toBe("two");
  expect((await stat(path.join(root, "in/deep/x.csv"))).mode & 0o777).toBe(0o640);
});

test("a checksum file and a done file beside the content", async () => {
  await load({ path: "beside/x.csv", checksumFile: "md5", doneFile: "{{msg.topic}}.done" });
  runtime.send("writer", { payload: "x", topic: "deep" });
  await runtime.next("delivered");
  expect((await readdir(path.join(root, "beside"))).sort()).toEqual(["deep.done", "x.csv", "x.csv.md5"]);
  expect(await content("beside/x.csv.md5")).toBe("9dd4e461268c8034f5c8564e155c67a6  x.csv\n");
});

test("no folders of its own making", async () => {
  await load({ path: "not/there/x.csv", makeFolders: "false" });
  runtime.send("writer", { payload: "x" });
  expect((await runtime.next("failed")).error).toMatchObject({ kind: "missing" });
  expect(await readdir(root)).toEqual([]);
});

test("the folder may come from an environment variable", async () => {
  process.env.FOLDER_NODE_ROOT = root;
  onTestFinished(() => {
    delete process.env.FOLDER_NODE_ROOT;
  });
  await load({ root: "${FOLDER_NODE_ROOT}" });
  runtime.send("writer", { payload: "x" });
  await runtime.next("delivered");
  expect(await content("payload.txt")).toBe("x");
});

test.each([
  ["../outside.txt", "invalid"],
  ["a\nb.txt", "invalid"],
])("a name from a message cannot leave the folder: %j", async (topic, kind) => {
  await load({ path: "{{msg.topic}}" });
  runtime.send("writer", { payload: "x", topic });
  expect((await runtime.next("failed")).error).toMatchObject({ kind });
  expect(await readdir(root)).toEqual([]);
});

test("a message cannot name another folder", async () => {
  await load();
  const elsewhere = path.join(root, "elsewhere");
  await mkdir(elsewhere);
  runtime.send("writer", { payload: "x", root: elsewhere, attributes: { root: elsewhere } });
  expect((await runtime.next("delivered")).delivery.location).toBe(`file://${root}/payload.txt`);
});

test("a failure says what to do, and the next message works", async () => {
  await load();
  await rm(root, { recursive: true });
  runtime.send("writer", { payload: "x" });
  const { error } = await runtime.next("failed");
  expect(error).toMatchObject({
    kind: "missing",
    code: "ENOENT",
    message: expect.stringContaining("mount the share"),
  });
  await mkdir(root);
  await writeFile(path.join(root, "payload.txt"), "old");
  runtime.send("writer", { payload: "new" });
  await runtime.next("delivered");
  expect(await content("payload.txt")).toBe("new");
});
