import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { useRuntime } from "./support/runtime";
import { credentialsOf, ends, ftpConnection, ftpWriter, useServers, watchers } from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

beforeEach(() => {
  servers.ftp.hook = undefined;
});

async function load(settings: Record<string, unknown> = {}, connection: Record<string, unknown> = {}) {
  const nodes = [
    ftpConnection(servers, connection),
    ftpWriter(settings),
    ...ends("delivered", "failed"),
    ...watchers("writer"),
  ];
  await runtime.load(nodes, credentialsOf(servers));
}

const content = (name: string) => readFile(path.join(servers.ftp.root, name), "utf8");
const commands = () => servers.ftp.commands.slice(before);
let before = 0;
beforeEach(() => {
  before = servers.ftp.commands.length;
});

test("the message that an FTP writer passes on keeps everything and gains the delivery", async () => {
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
  expect(delivery).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    state: "delivered",
    writer: { id: "writer", type: "delivery-ftp-writer", name: "To FTP" },
    target: "a.txt",
    location: `ftp://${servers.ftp.host}:${servers.ftp.port}/a.txt`,
    bytes: 5,
    sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    verified: "read-back",
    notes: [],
    attempt: 1,
    attempts: [{ n: 1, startedAt: expect.any(String), elapsedMs: expect.any(Number) }],
    startedAt: expect.stringMatching(/Z$/),
    finishedAt: expect.stringMatching(/Z$/),
    elapsedMs: expect.any(Number),
  });
  expect(await content("a.txt")).toBe("hello");
  await runtime.next("completed");
  await runtime.status("writer", { fill: "green", text: "delivered a.txt, 5 B, read back" });
});

test("a payload is content, whatever it looks like", async () => {
  await load();
  runtime.send("writer", { payload: { kind: "file", path: "/etc/passwd" } });
  await runtime.next("delivered");
  expect(JSON.parse(await content("payload.json"))).toEqual({ kind: "file", path: "/etc/passwd" });
});

describe("the options of an FTP writer", () => {
  test("a temporary name, then the final one; the size is asked for", async () => {
    await load({ path: "in/{{msg.topic}}/x.csv", verify: "size" });
    runtime.send("writer", { payload: "x", topic: "deep" });
    expect((await runtime.next("delivered")).delivery).toMatchObject({
      verified: "size",
      target: "in/deep/x.csv",
    });
    expect(await content("in/deep/x.csv")).toBe("x");
    expect(await readdir(path.join(servers.ftp.root, "in/deep"))).toEqual(["x.csv"]);
    expect(commands().some((command) => /^STOR .*x\.csv$/.test(command))).toBe(false);
    expect(commands().some((command) => command.startsWith("RNTO"))).toBe(true);
  });

  test("no temporary name", async () => {
    await load({ path: "direct.csv", temporaryName: "false" });
    runtime.send("writer", { payload: "x" });
    await runtime.next("delivered");
    expect(commands().some((command) => /^STOR .*direct\.csv$/.test(command))).toBe(true);
    expect(commands().some((command) => command.startsWith("RNTO"))).toBe(false);
  });

  test("no look at the size", async () => {
    await load({ path: "unseen.csv", verify: "none" });
    runtime.send("writer", { payload: "x" });
    expect((await runtime.next("delivered")).delivery.verified).toBe("none");
  });

  test("a checksum file and a done file beside the content", async () => {
    await load({ path: "beside/x.csv", checksumFile: "md5", doneFile: "{{msg.topic}}.done" });
    runtime.send("writer", { payload: "x", topic: "deep" });
    await runtime.next("delivered");
    expect((await readdir(path.join(servers.ftp.root, "beside"))).sort()).toEqual([
      "deep.done",
      "x.csv",
      "x.csv.md5",
    ]);
    expect(await content("beside/x.csv.md5")).toBe("9dd4e461268c8034f5c8564e155c67a6  x.csv\n");
  });

  test("no folders of its own making", async () => {
    await load({ path: "not/there/x.csv", makeFolders: false });
    runtime.send("writer", { payload: "x" });
    expect((await runtime.next("failed")).error).toMatchObject({ kind: "missing" });
    expect(commands().some((command) => command.startsWith("MKD"))).toBe(false);
  });

  test("a root that targets stay below", async () => {
    await mkdir(path.join(servers.ftp.root, "home/partner"), { recursive: true });
    await load({ path: "/x.csv" }, { root: "/home/partner" });
    runtime.send("writer", { payload: "rooted" });
    await runtime.next("delivered");
    expect(await content("home/partner/x.csv")).toBe("rooted");
  });

  test.each([
    ["replace", "delivered", "new", undefined],
    ["keep-both", "delivered", "old", "new"],
    ["fail", "failed", "old", undefined],
    ["skip-identical", "delivered", "new", undefined],
  ])("conflict %s", async (conflict, output, kept, beside) => {
    const folder = `conflict-${conflict}`;
    await mkdir(path.join(servers.ftp.root, folder));
    await writeFile(path.join(servers.ftp.root, folder, "x.csv"), "old");
    await load({ path: `${folder}/x.csv`, conflict });
    runtime.send("writer", { payload: "new" });
    await runtime.next(output);
    expect(await content(`${folder}/x.csv`)).toBe(kept);
    if (beside) expect(await content(`${folder}/x-1.csv`)).toBe(beside);
    expect(await readdir(path.join(servers.ftp.root, folder))).toHaveLength(beside ? 2 : 1);
  });

  test("what is there already with the same content is skipped", async () => {
    await load({ path: "same.csv", conflict: "skip-identical" });
    for (const state of ["delivered", "skipped"]) {
      runtime.send("writer", { payload: "same" });
      expect((await runtime.next("delivered")).delivery.state).toBe(state);
    }
  });
});
