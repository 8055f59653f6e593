import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useRuntime } from "../nodes/support/runtime";
import { ends, type Servers, sftpConnection, sftpWriter, watchers } from "../nodes/support/servers";
import { diskTarget } from "../support/disk-target";
import { requireTool } from "../support/required";
import { type Sshd, sshdPath, startSshd } from "../support/sshd";

const available = requireTool("openssh-server", sshdPath);

describe.runIf(available)("the sftp writer, in a flow", () => {
  const runtime = useRuntime();
  let server: Sshd;

  beforeAll(async () => {
    server = await startSshd();
  });
  afterAll(() => server?.stop());

  async function load(
    settings: Record<string, unknown> = {},
    connection: Record<string, unknown> = {},
    credentials: Record<string, string> = { password: server.password },
  ) {
    const { host, port, knownHosts, user } = server;
    const nodes = [
      sftpConnection({} as Servers, { host, port: String(port), hostKeys: knownHosts, ...connection }),
      sftpWriter(settings),
      ...ends("delivered", "failed"),
      ...watchers("writer"),
    ];
    await runtime.load(nodes, { sftp: { user, ...credentials } });
  }

  const content = async (name: string) => String(await diskTarget(server.root).read(name));

  test("a message comes out with its delivery, and the file is there", async () => {
    await load({ path: "in/{{msg.topic}}/{{source.name}}", verify: "read-back" });
    runtime.send("writer", { source: { kind: "text", name: "a.txt", text: "hello" }, topic: "deep" });
    const { delivery } = await runtime.next("delivered");
    expect(delivery).toMatchObject({
      state: "delivered",
      writer: { id: "writer", type: "delivery-sftp-writer", name: "To SFTP" },
      location: `sftp://127.0.0.1:${server.port}/~/in/deep/a.txt`,
      bytes: 5,
      verified: "read-back",
    });
    expect(await content("in/deep/a.txt")).toBe("hello");
    await runtime.next("completed");
    await runtime.status("writer", { fill: "green", text: "delivered a.txt, 5 B, read back" });
  });

  test("a checksum file and a done file beside the content", async () => {
    await load({ path: "beside/x.csv", checksumFile: "sha256", doneFile: "{{msg.topic}}.done" });
    runtime.send("writer", { payload: "x", topic: "deep" });
    await runtime.next("delivered");
    const sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    expect(await content("beside/x.csv.sha256")).toBe(`${sha256}  x.csv\n`);
    expect(await content("beside/deep.done")).toBe("");
  });

  test("a key under a passphrase, below a folder", async () => {
    const { protectedKey: privateKey, passphrase, root } = server;
    await load({ path: "keyed.txt" }, { root: `${root}/below` }, { privateKey, passphrase });
    runtime.send("writer", { payload: "by key" });
    await runtime.next("delivered");
    expect(await content("below/keyed.txt")).toBe("by key");
  });

  test("the first contact: the error shows the key, and nothing arrives", async () => {
    await load({ path: "first.txt" }, { hostKeys: "", hostKeyCheck: "show" });
    runtime.send("writer", { payload: "x" });
    const { error } = await runtime.next("failed");
    expect(error).toMatchObject({ kind: "invalid", code: "HOST_KEY_SHOWN" });
    expect(error.message).toContain(server.fingerprints.ed25519);
    expect(await content("first.txt")).toBe("undefined");
  });

  test("a wrong password: denied, and it is in no message", async () => {
    await load({}, {}, { password: "c4nary-p+%w0&r)d" });
    runtime.send("writer", { payload: "x" });
    const message = await runtime.next("failed");
    expect(message.error).toMatchObject({ kind: "denied", retryable: false });
    expect(inspect(message, { depth: 20 })).not.toContain("c4nary");
  });
});
