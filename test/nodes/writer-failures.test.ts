import { describe, expect, test } from "vitest";
import { useWriters } from "./support/flows";
import { ftpWriter, s3Writer } from "./support/servers";

const { servers, runtime, load } = useWriters();

describe.each([
  ["an S3 writer", () => s3Writer({ bucket: "not-there" }), "missing", "NoSuchBucket"],
  ["an FTP writer", () => ftpWriter({ path: "no/folder/x", makeFolders: false }), "missing", "550"],
])("a failure of %s", (_, writer, kind, code) => {
  test("is the flow's business where the failed output is wired", async () => {
    await load(writer());
    const source = { kind: "text", name: "a.txt", text: "x" };
    const id = runtime.send("writer", { source, payload: 1, metadata: { title: "A" }, error: "an old one" });
    const { delivery, error, ...rest } = await runtime.next("failed");
    expect(rest).toEqual({ _msgid: id, source, payload: 1, metadata: { title: "A" } });
    expect(delivery).toMatchObject({
      state: "failed",
      attempt: 1,
      attempts: [{ n: 1, error: { kind, code, message: error.message } }],
    });
    expect(error).toEqual({
      message: expect.stringMatching(/\.$/),
      source: { id: "writer", type: writer().type, name: writer().name },
      deliveryId: delivery.id,
      kind,
      code,
      retryable: false,
      stack: expect.stringContaining(error.message),
    });
    await runtime.next("completed");
    expect(runtime.received("caught")).toEqual([]);
    await runtime.status("writer", { fill: "red", shape: "ring" });
  });

  test("reaches a Catch node where it is not, and nobody is told that all is complete", async () => {
    await load({ ...writer(), metadata: [{ name: "by", value: "me" }], wires: [["delivered"], []] });
    const id = runtime.send("writer", { payload: "x" });
    const caught = await runtime.next("caught");
    expect(caught).toMatchObject({
      _msgid: id,
      payload: "x",
      metadata: { by: "me" },
      delivery: { state: "failed", attempts: [{ error: { kind, code } }] },
      error: { code, source: { id: "writer" }, stack: expect.any(String) },
    });
    expect(caught.error.message).toBe(caught.delivery.attempts[0].error.message);
    expect(caught.error).not.toHaveProperty("cause");
    expect(runtime.received("completed")).toEqual([]);
  });
});

describe("a message that makes no delivery", () => {
  test.each<[string, Record<string, unknown>, Record<string, unknown>, RegExp]>([
    ["no content", {}, {}, /nothing to deliver/],
    ["an empty payload", {}, { payload: null }, /nothing to deliver/],
    ["a function", {}, { payload: () => 1 }, /function cannot be delivered/],
    [
      "a source that is none",
      {},
      { source: "a.txt" },
      /source must be an object.*delete it to deliver msg\.payload/,
    ],
    ["a source of no kind", {}, { source: { name: "x" } }, /kind must be text, bytes, file, url or spool/],
    [
      "a source that names a host",
      {},
      { source: { kind: "url", name: "x", url: "http://10.0.0.1" } },
      /cannot name a host/,
    ],
    [
      "a file that no data source has chosen",
      {},
      { source: { kind: "file", name: "x", path: "/not/there" } },
      /"\/not\/there", which is not read: no data source node of this Node-RED has chosen it/,
    ],
    [
      "a spooled source that is gone",
      {},
      { source: { kind: "spool", name: "x", size: 1, sha256: "0".repeat(64) } },
      /x/,
    ],
    ["a name that leads out", { path: "{{msg.to}}" }, { payload: "x", to: "../x" }, /"\." or "\.\." folder/],
    [
      "a name with a line break",
      { path: "{{msg.to}}" },
      { payload: "x", to: "x\r\nDELE y" },
      /control character/,
    ],
    ["an empty name", { path: "{{msg.to}}" }, { payload: "x", to: "" }, /target name is empty/],
    ["an unknown name", { path: "{{msg.nothing}}" }, { payload: "x" }, /\{\{msg\.nothing\}\} has no value/],
    ["metadata that is none", {}, { payload: "x", metadata: ["a"] }, /msg\.metadata must be an object/],
  ])(
    "because of %s, is refused in words, and the next one is delivered",
    async (_, settings, msg, sentence) => {
      const before = servers.ftp.commands.length;
      await load(ftpWriter(settings));
      runtime.send("writer", msg);
      const { error, delivery } = await runtime.next("failed");
      expect(error).toMatchObject({
        message: expect.stringMatching(sentence),
        deliveryId: delivery.id,
      });
      expect(delivery).toMatchObject({ state: "failed", attempt: 0, attempts: [] });
      expect(delivery.target).toBe(ftpWriter(settings).path);
      await runtime.status("writer", { fill: "red", shape: "ring" });
      expect(servers.ftp.commands.slice(before).filter((command) => command.startsWith("STOR"))).toEqual([]);
      runtime.send("writer", { payload: "good", to: "good.txt", nothing: "good.txt" });
      expect((await runtime.next("delivered")).delivery.state).toBe("delivered");
      await runtime.status("writer", { fill: "green" });
    },
  );

  test("because it cannot even be copied, turns the status red", async () => {
    await load(ftpWriter());
    const msg = {
      payload: "x",
      trap: Object.defineProperty({}, "a", { enumerable: true, get: () => JSON.parse("{") }),
    };
    runtime.send("writer", msg);
    await runtime.status("writer", { fill: "red" });
    runtime.send("writer", { payload: "x" });
    await runtime.next("delivered");
  });
});
