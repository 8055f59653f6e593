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
  type Servers,
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
type Row = [setting: string, value: unknown, sentence: RegExp, credentials?: Credentials];
type Kind = [
  name: "s3" | "ftp" | "smtp",
  connection: (servers: Servers, settings: Settings) => FlowNode,
  user: (settings: Settings) => FlowNode,
  rows: Row[],
];

const tls: Row[] = [
  ["ca", "no certificate", /ca must hold certificates in PEM format/],
  ["verifyCertificate", "perhaps", /verifyCertificate must be true or false/],
  ["connectTimeoutSeconds", "soon", /connectTimeoutSeconds must be a number from 0\.1 to 86400/],
  ["connectTimeoutSeconds", 0, /connectTimeoutSeconds must be a number from 0\.1 to 86400/],
];
const host: Row[] = [
  ["host", "", /host is missing/],
  ["host", "ftp://example.com", /host must be a host name/],
  ["host", "example.com:21", /host must not hold a port/],
  ["host", 5, /host must be text/],
  ["host", "${NOT_SET}", /host: the environment variable NOT_SET is not set/],
  ["port", "ftp", /port must be a whole number from 1 to 65535/],
  ["port", 70_000, /port must be a whole number from 1 to 65535/],
  ["security", "some", /security must be one of/],
];

const kinds: Kind[] = [
  [
    "s3",
    s3Connection,
    s3Writer,
    [
      ["region", "the north", /region must be a region such as/],
      ["endpoint", "ftp://x", /endpoint must be a URL/],
      ["endpoint", "http://user:pw@x", /endpoint must not hold a user name or password/],
      ["pathStyle", "perhaps", /pathStyle must be true or false/],
      ["authentication", "magic", /authentication must be one of/],
      ["authentication", "role", /roleArn is missing/],
      ["checksums", "none", /checksums must be one of/],
      ["idleTimeoutSeconds", {}, /idleTimeoutSeconds must be a number/],
      ["name", "", /accessKeyId is missing; secretAccessKey is missing/, {}],
      ["name", "", /secretAccessKey is missing/, { accessKeyId: "A" }],
      ...tls,
    ],
  ],
  [
    "ftp",
    ftpConnection,
    ftpWriter,
    [
      ...host,
      ["root", "../up", /root/],
      ["root", "a\r\nDELE b", /root/],
      ["passiveAddress", "any", /passiveAddress must be one of/],
      ["idleTimeoutSeconds", -1, /idleTimeoutSeconds must be a number/],
      ["name", "", /user must be text without line breaks/, { user: "a\r\nb", password: "x" }],
      ...tls,
    ],
  ],
  [
    "smtp",
    smtpConnection,
    notify,
    [
      ...host,
      ["from", "nobody", /from must be one e-mail address/],
      ["from", "a@b.test\r\nBcc: c@d.test", /from must be one e-mail address/],
      ["name", "", /password is missing/, { user: "u" }],
      ["name", "", /user is missing, but there is a password/, { password: "p" }],
      ...tls,
    ],
  ],
];

const message = { payload: "x", delivery: { id: "d", state: "delivered" } };

test.each(kinds)(
  "whatever is wrong with a connection of the kind %s is said by who uses it",
  async (kind, connection, user, table) => {
    const good = credentialsOf(servers)[kind];
    const nodes = table.flatMap(([setting, value], at) => [
      { ...connection(servers, { [setting]: value }), id: `c${at}` },
      user({ id: `n${at}`, connection: `c${at}`, wires: [[], ["end"]] }),
    ]);
    const credentials = Object.fromEntries(table.map(([, , , own = good], at) => [`c${at}`, own]));
    await runtime.load([...nodes, ...ends("end")], credentials);
    const said = new Map<string, string>();
    for (const [at] of table.entries()) runtime.send(`n${at}`, message);
    for (const _ of table) {
      const { error } = await runtime.next("end");
      expect(error.kind).toBe("invalid");
      said.set(error.source.id, error.message);
    }
    const name = ([setting, value]: Row, at: number) => `${at}. ${setting} = ${JSON.stringify(value)}`;
    expect(Object.fromEntries(table.map((row, at) => [name(row, at), said.get(`n${at}`)]))).toEqual(
      Object.fromEntries(table.map((row, at) => [name(row, at), expect.stringMatching(row[2])])),
    );
  },
);

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
