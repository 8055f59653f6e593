// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how Node-RED writes environment variables

import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FlowNode, useRuntime } from "./support/runtime";
import {
  credentialsOf,
  ends,
  ftpConnection,
  ftpWriter,
  notify,
  s3Connection,
  s3Writer,
  smtpConnection,
  useServers,
  watchers,
} from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

/** Takes connections and never says a word. */
let mute: Server;
let mutePort: number;

beforeAll(async () => {
  mute = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  mutePort = (mute.address() as AddressInfo).port;
});
afterAll(() => {
  mute.close();
});

type Settings = Record<string, unknown>;
type Credentials = Record<string, string>;

const message = { payload: "x", delivery: { id: "d", state: "delivered" } };

describe("a server that cannot be used", () => {
  const s3 = (settings: Settings) => s3Connection(servers, settings);
  const ftp = (settings: Settings) => ftpConnection(servers, settings);
  const smtp = (settings: Settings) => smtpConnection(servers, settings);
  const wrong = { user: "nobody", password: "wrong", accessKeyId: "AWRONG", secretAccessKey: "wrong" };

  test.each<[string, () => FlowNode, Credentials | undefined, object, RegExp]>([
    [
      "s3, nobody listens",
      () => s3({ endpoint: "http://127.0.0.1:1" }),
      undefined,
      { kind: "unavailable", code: "ECONNREFUSED" },
      /nothing answers/,
    ],
    [
      "s3, unknown host",
      () => s3({ endpoint: "http://no-such-host.invalid" }),
      undefined,
      { kind: "unavailable" },
      /no-such-host\.invalid/,
    ],
    [
      "s3, wrong keys",
      () => s3({}),
      { accessKeyId: "AWRONG", secretAccessKey: "wrong" },
      { kind: "denied" },
      /key/i,
    ],
    [
      "s3, TLS where there is none",
      () => s3({ endpoint: servers.s3.endpoint.replace("http:", "https:") }),
      undefined,
      { kind: "invalid" },
      /TLS/,
    ],
    [
      "ftp, nobody listens",
      () => ftp({ port: 1 }),
      undefined,
      { kind: "unavailable", code: "ECONNREFUSED" },
      /nothing answers/,
    ],
    [
      "ftp, silence",
      () => ftp({ port: mutePort, connectTimeoutSeconds: "0.2" }),
      undefined,
      { kind: "unavailable" },
      /did not answer|in time/,
    ],
    ["ftp, wrong password", () => ftp({}), wrong, { kind: "denied", code: "530" }, /password|log/i],
    ["ftp, no TLS there", () => ftp({ security: "explicit" }), undefined, { kind: "invalid" }, /TLS/],
    [
      "smtp, nobody listens",
      () => smtp({ port: 1 }),
      undefined,
      { kind: "unavailable", code: "ECONNREFUSED" },
      /nothing answers/,
    ],
    ["smtp, wrong password", () => smtp({}), wrong, { kind: "denied" }, /password|log/i],
    ["smtp, no TLS there", () => smtp({ security: "starttls" }), undefined, { kind: "invalid" }, /TLS/],
  ])(
    "%s: says so at the failed output and in the status; with the right one the next message works",
    async (_, connection, credentials, error, sentence) => {
      const bad = { ...connection(), id: "bad" };
      const good = bad.type.includes("s3") ? s3({}) : bad.type.includes("ftp") ? ftp({}) : smtp({});
      const user = (bad.type.includes("s3") ? s3Writer : bad.type.includes("ftp") ? ftpWriter : notify)({
        id: "user",
        connection: "bad",
        wires: [["ok"], ["failed"]],
      });
      const right = credentialsOf(servers);
      const secrets = { ...right, bad: credentials ?? right[good.id as keyof typeof right] };
      await runtime.load([bad, good, user, ...ends("ok", "failed"), ...watchers("user")], secrets);
      runtime.send("user", message);
      const failed = await runtime.next("failed");
      expect(failed.error).toMatchObject({ ...error, message: expect.stringMatching(sentence) });
      expect(JSON.stringify(failed)).not.toContain("wrong");
      await runtime.status("user", { fill: "red" });
      await runtime.deploy([
        good,
        { ...user, connection: good.id },
        ...ends("ok", "failed"),
        ...watchers("user"),
      ]);
      runtime.send("user", { ...message, delivery: { id: "another", state: "delivered" } });
      await runtime.next("ok");
      await runtime.status("user", { fill: "green" });
    },
  );
});
