// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how Node-RED writes environment variables

import { expect, test } from "vitest";
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
  sftpConnection,
  sftpWriter,
  smtpConnection,
  useServers,
} from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

type Settings = Record<string, unknown>;
type Credentials = Record<string, string>;
type Row = [setting: string, value: unknown, sentence: RegExp, credentials?: Credentials];
type Kind = [
  name: "s3" | "ftp" | "sftp" | "smtp",
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
    "sftp",
    sftpConnection,
    sftpWriter,
    [
      ["host", "", /host is missing/],
      ["host", "sftp://example.com", /host must be a host name/],
      ["port", 70_000, /port must be a whole number from 1 to 65535/],
      ["root", "../up", /root/],
      ["hostKeys", "", /hostKeys is missing/],
      ["hostKeys", "trust me", /hostKeys: line 1 is neither a SHA256 fingerprint nor/],
      ["hostKeyCheck", "none", /hostKeyCheck must be one of pinned, show/],
      ["connectTimeoutSeconds", 0, /connectTimeoutSeconds must be a number from 0\.1 to 86400/],
      ["idleTimeoutSeconds", -1, /idleTimeoutSeconds must be a number/],
      ["name", "", /user is missing/, { password: "p" }],
      ["name", "", /a password or a privateKey is needed/, { user: "u" }],
      ["name", "", /privateKey must be a private key/, { user: "u", privateKey: "ssh-rsa AAAA" }],
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
