// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how Node-RED writes environment variables
import { expect, test } from "vitest";
import {
  boolean,
  choice,
  number,
  type Row,
  rows,
  type Settings,
  template,
  timeZone,
} from "./support/bad-values";
import { type FlowNode, useRuntime } from "./support/runtime";
import {
  credentialsOf,
  dataSource,
  ends,
  folderWriter,
  ftpConnection,
  ftpWriter,
  notify,
  retry,
  s3Connection,
  s3Writer,
  sftpConnection,
  sftpWriter,
  smtpConnection,
  useServers,
} from "./support/servers";

const servers = useServers();
const runtime = useRuntime();

const writerRows: Row[] = [
  ...rows("metadata"),
  ...template("onceKey"),
  ...number("concurrency", 0, 65, 1.5),
  ...timeZone,
  ...choice("conflict"),
];

const nodes: [name: string, make: (settings: Settings) => FlowNode, rows: Row[]][] = [
  [
    "data source",
    (settings) => dataSource({ kind: "text", text: "x", ...settings }),
    [
      ...choice("kind"),
      ...template("text"),
      ...boolean("plainText"),
      ["property", 5, /property must be text/],
      ...boolean("allowPrivateAddresses"),
      ...number("maxMegabytes"),
      ...boolean("snapshot"),
      ...template("fileName"),
      ...template("contentType"),
      ...rows("metadata"),
      ...timeZone,
    ],
  ],
  [
    "data source of a file",
    (settings) => dataSource({ kind: "file", ...settings }),
    [...template("path"), ["path", "", /path is missing/]],
  ],
  [
    "data source of an address",
    (settings) => dataSource({ kind: "url", url: "http://x.test", ...settings }),
    [...template("url"), ["url", null, /url is missing/], ...rows("headers")],
  ],
  [
    "data source of a function",
    (settings) => dataSource({ kind: "function", ...settings }),
    [
      ["func", "", /func is missing/],
      ["func", 5, /func must be text/],
      ["func", "const a = ;\n", /does not parse: Unexpected token ';' \(line 1\)/],
      ["func", "return 1;\n}); process.exit(", /does not parse/],
    ],
  ],
  [
    "s3 writer",
    s3Writer,
    [
      ["connection", "", /No S3 connection is chosen/],
      ["connection", "nowhere", /chosen S3 connection is missing or disabled/],
      ["connection", "ftp", /chosen S3 connection is missing or disabled/],
      ["connection", 5, /chosen S3 connection is missing or disabled/],
      ["connection", "off", /chosen S3 connection is missing or disabled/],
      ["connection", "broken", /S3 connection: .*endpoint must be a URL/],
      ["bucket", "", /bucket is missing/],
      ["bucket", "No Bucket", /bucket must be 3 to 63 lower-case/],
      ["bucket", 5, /bucket must be text/],
      ["bucket", "${NOT_SET}", /bucket: the environment variable NOT_SET is not set/],
      ...template("key"),
      ...template("contentType"),
      ["contentType", "csv", /contentType must be a media type/],
      ...template("contentDisposition"),
      ...template("cacheControl"),
      ...rows("tags"),
      ["storageClass", "cold one", /storageClass must be a storage class/],
      ...choice("encryption"),
      ["kmsKeyId", "key", /kmsKeyId needs the encryption aws:kms/],
      ...choice("acl"),
      ...boolean("createBucket"),
      ...boolean("lifecycle"),
      ...boolean("link"),
      ...number("partMegabytes", 1, 513),
      ...writerRows,
    ],
  ],
  [
    "s3 writer with a rule",
    (settings) => s3Writer({ lifecycle: true, ...settings }),
    [
      ["lifecycleDays", "soon", /days must be a whole number/],
      ["lifecyclePrefix", 5, /prefix must be text/],
      ["lifecycleStorageClass", "ice cold", /storageClass must be a storage class/],
    ],
  ],
  ["s3 writer with a link", (settings) => s3Writer({ link: true, ...settings }), number("linkHours", 1e9)],
  [
    "ftp writer",
    ftpWriter,
    [
      ["connection", undefined, /No FTP connection is chosen/],
      ["connection", "s3", /chosen FTP connection is missing or disabled/],
      ...template("path"),
      ...boolean("makeFolders"),
      ...boolean("temporaryName"),
      ...choice("verify"),
      ...writerRows,
    ],
  ],
  [
    "sftp writer",
    sftpWriter,
    [
      ["connection", undefined, /No SFTP connection is chosen/],
      ["connection", "ftp", /chosen SFTP connection is missing or disabled/],
      ...template("path"),
      ...boolean("makeFolders"),
      ...boolean("temporaryName"),
      ...choice("verify"),
      ...writerRows,
    ],
  ],
  [
    "folder writer",
    (settings) => folderWriter({ root: "/srv", ...settings }),
    [
      ["root", "", /root is missing/],
      ["root", "outgoing", /root must be an absolute path/],
      ["root", 5, /root must be text/],
      ["root", "${NOT_SET}", /root: the environment variable NOT_SET is not set/],
      ["fileMode", "rwx", /fileMode must be three octal digits/],
      ...template("path"),
      ...boolean("makeFolders"),
      ...choice("verify"),
      ...writerRows,
    ],
  ],
  [
    "retry",
    (settings) => retry({ preset: "custom", ...settings }),
    [
      ...choice("preset"),
      ...number("attempts", 0, 1.5),
      ...number("firstDelaySeconds"),
      ...number("factor", 0.5),
      ...number("maxDelaySeconds"),
      ...number("jitterPercent", 101),
      ...number("timeLimitMinutes"),
      ["kinds", "unavailable", /kinds must be a list/],
      ["kinds", ["weird", {}], /kinds can hold only .* not weird, an object/],
      ["codes", 550, /codes must be text/],
    ],
  ],
  [
    "notify",
    notify,
    [
      ["connection", "ftp", /chosen mail server is missing or disabled/],
      ["connection", "nowhere", /chosen mail server is missing or disabled/],
      ...choice("when"),
      ["to", "", /nobody is named to be told/],
      ...template("to"),
      ...template("deliveredSubject"),
      ...template("deliveredText"),
      ...template("failedSubject"),
      ...template("failedText"),
      ...timeZone,
    ],
  ],
];

const connections = () => [
  s3Connection(servers),
  ftpConnection(servers),
  sftpConnection(servers),
  smtpConnection(servers),
  { ...s3Connection(servers), id: "off", d: true },
  s3Connection(servers, { id: "broken", endpoint: "not a url" }),
];

const message = { payload: "x", delivery: { id: "d", state: "delivered" } };

/** All at once: a runtime for each setting would take minutes. */
test.each(nodes)("whatever is wrong with a %s is said in words, and shown", async (_, make, table) => {
  const bad = table.map(([setting, value], at) =>
    make({ [setting]: value, id: `n${at}`, wires: [["end"], ["end"]] }),
  );
  const watch = { id: "catch", type: "catch", scope: null, uncaught: false, wires: [["end"]] };
  await runtime.load([...connections(), ...bad, watch, ...ends("end")], credentialsOf(servers));
  const said = new Map<string, string>();
  for (const { id } of bad) runtime.send(id, message);
  for (const _ of bad) {
    const { error } = await runtime.next("end");
    said.set(error.source.id, error.message);
  }
  const name = ([setting, value]: Row, at: number) => `${at}. ${setting} = ${JSON.stringify(value)}`;
  const sentences = table.map((row, at) => [name(row, at), said.get(`n${at}`)]);
  const expected = table.map((row, at) => [name(row, at), expect.stringMatching(row[2])]);
  expect(Object.fromEntries(sentences)).toEqual(Object.fromEntries(expected));
  for (const [, sentence] of sentences) expect(sentence).toMatch(/^(?!An unexpected).*[.)]$/s);
  for (const { id } of bad) await runtime.status(id, { fill: "red", shape: "ring" });
});
