import { describe, expect, test } from "vitest";
import { loadEditorHalf, nodeFolders } from "../support/editor-half";

const halves = new Map(nodeFolders.map((folder) => [folder, loadEditorHalf(folder)]));
type Folder = (typeof nodeFolders)[number];
const half = (folder: Folder) => {
  const found = halves.get(folder);
  if (!found) throw new Error(folder);
  return found;
};

/** Values that a validator must refuse, with what its sentence must say. */
const refused: [Folder, string, unknown, Record<string, unknown>, RegExp][] = [
  ["schedule", "cron", "", {}, /^When: fill this in/],
  ["schedule", "cron", "6", {}, /^When: give 5 fields/],
  ["schedule", "cron", "* * * * * * 2027", {}, /6 with the seconds/],
  ["schedule", "cron", "<b> * * * *", {}, /give 5 fields/],
  ["schedule", "timeZone", "Mars/Olympus", {}, /Europe\/Paris/],
  ["schedule", "missedLimit", "101", { missed: "all" }, /whole number from 1 to 100/],
  ["schedule", "graceMinutes", "-1", {}, /^Not for times over: give a number from 0/],
  ["schedule", "jitterSeconds", "3601", {}, /from 0 to 3600/],
  ["schedule", "overlapLimitMinutes", "0", { overlap: "wait" }, /^Lasts at most: give a number from 0.1/],
  ["data-source", "text", "{{nothing}}", {}, /no value called nothing/],
  ["data-source", "text", "{{msg.topic", {}, /no matching/],
  ["data-source", "path", "", { kind: "file" }, /^File: fill this in/],
  ["data-source", "path", "/x/{{source.name}}", { kind: "file" }, /not known yet/],
  ["data-source", "url", "", { kind: "url" }, /^Address: fill this in/],
  ["data-source", "url", "ftp://x/y", { kind: "url" }, /http/],
  ["data-source", "url", "https://me:secret@x/y", { kind: "url" }, /leave user and password out/],
  ["data-source", "property", "", { kind: "payload" }, /^Property: /],
  ["data-source", "func", "return <b>{", { kind: "function" }, /cannot be read/],
  ["data-source", "func", "", { kind: "function" }, /fill this in/],
  ["data-source", "headers", [{ name: "a b", value: "1" }], { kind: "url" }, /letters, digits/],
  ["data-source", "metadata", [{ name: "", value: "1" }], {}, /needs a name/],
  ["data-source", "metadata", [{ name: "a", value: "{{#msg.x}}" }], {}, /is not closed/],
  ["data-source", "maxMegabytes", "-1", {}, /^Largest content: give a number from 0/],
  ["data-source", "timeZone", "Mars/Olympus", {}, /Europe\/Paris/],
  ["s3-writer", "bucket", "", {}, /^Bucket: fill this in/],
  ["s3-writer", "bucket", "Reports_2026", {}, /lower-case/],
  ["s3-writer", "bucket", "a..b", {}, /lower-case/],
  ["s3-writer", "bucket", "192.0.2.1", {}, /lower-case/],
  ["s3-writer", "key", "", {}, /fill this in/],
  ["s3-writer", "key", "{{/msg}}", {}, /not open/],
  ["s3-writer", "key", "{{ }}", {}, /nothing inside/],
  ["s3-writer", "linkHours", "0", { link: true }, /from 0.01/],
  ["s3-writer", "partMegabytes", "4", {}, /from 5/],
  ["s3-writer", "concurrency", "1.5", {}, /whole number/],
  ["s3-writer", "concurrency", " ", {}, /whole number/],
  ["s3-writer", "onceKey", "{{isoDate", {}, /^Deliver once: .*no matching/],
  ["s3-writer", "metadata", [{ name: "größe", value: "1" }], {}, /letters, digits/],
  [
    "s3-writer",
    "tags",
    Array.from({ length: 11 }, (_, n) => ({ name: `t${n}`, value: "" })),
    {},
    /at most 10/,
  ],
  ["s3-writer", "lifecycleDays", "x", { createBucket: true, lifecycle: true }, /^Move after: /],
  ["store", "database", "", { kind: "postgresql-queue" }, /^Database: fill this in/],
  ["store", "database", "deliveries", { kind: "redis" }, /^Database: Redis numbers its databases/],
  ["ftp-writer", "path", "", {}, /fill this in/],
  [
    "ftp-writer",
    "metadata",
    [
      { name: "a", value: "" },
      { name: "a", value: "" },
    ],
    {},
    /once/,
  ],
  ["ftp-writer", "doneFile", "{{source.name", {}, /^Done file: .*no matching/],
  ["sftp-writer", "path", "", {}, /fill this in/],
  ["sftp-writer", "doneFile", "{{source.name", {}, /^Done file: .*no matching/],
  ["folder-writer", "root", "", {}, /^Folder: fill this in/],
  ["folder-writer", "root", "outgoing", {}, /from the root on/],
  ["folder-writer", "fileMode", "rw-r--r--", {}, /three digits/],
  ["folder-writer", "doneFile", "{{source.name", {}, /^Done file: .*no matching/],
  ["folder-writer", "fileMode", "444", {}, /let the owner write/],
  ["retry", "attempts", "0", {}, /whole number from 1 to 1000/],
  ["retry", "factor", "0.5", {}, /from 1 to 100/],
  ["retry", "jitterPercent", "101", {}, /from 0 to 100/],
  ["notify", "to", "", { connection: "c" }, /at least one recipient/],
  ["notify", "to", "nobody", { connection: "c" }, /separated by commas/],
  ["notify", "failedText", "{{error.message}}", {}, /Did you mean msg\.error\.message/],
  ["s3-connection", "region", "", {}, /fill this in/],
  ["s3-connection", "endpoint", "s3.example.com", {}, /http/],
  ["s3-connection", "endpoint", "https://user:pw@s3.example.com", {}, /without user/],
  ["s3-connection", "roleArn", "delivery", { authentication: "role" }, /arn:aws:iam/],
  ["s3-connection", "ca", "not a certificate", {}, /BEGIN CERTIFICATE/],
  ["ftp-connection", "host", "", {}, /fill this in/],
  ["ftp-connection", "host", "ftp://x", {}, /host name/],
  ["ftp-connection", "host", "x/folder", {}, /host name/],
  ["ftp-connection", "port", "65536", {}, /from 1 to 65535/],
  ["ftp-connection", "root", "/in/../..", {}, /refused/],
  ["sftp-connection", "host", "sftp://x", {}, /host name/],
  ["sftp-connection", "hostKeys", "", {}, /^Must be: fill this in/],
  ["sftp-connection", "hostKeys", "MD5:16:27:ac", {}, /SHA256/],
  ["smtp-connection", "from", "Deliveries", {}, /one address/],
  ["smtp-connection", "from", "a@b.test\r\nBcc: evil@x.test", {}, /one address/],
  ["smtp-connection", "connectTimeoutSeconds", "0", {}, /from 1/],
];

const accepted: [Folder, string, unknown, Record<string, unknown>][] = [
  ["schedule", "cron", " 0 6 L * MON-FRI,7#2 ", {}],
  ["schedule", "cron", "*/10 0 6 ? jan-dec/2 *", {}],
  ["schedule", "cron", "@daily", {}],
  ["schedule", "missedLimit", "0", { missed: "latest" }],
  ["schedule", "overlapLimitMinutes", "0", { overlap: "allow" }],
  ["schedule", "graceMinutes", "-1", { missed: "none" }],
  ["data-source", "text", "{{nothing}}", { plainText: true }],
  ["data-source", "text", '{"a":{"b":1}}', {}],
  ["data-source", "text", "", {}],
  ["data-source", "path", "", { kind: "text" }],
  ["data-source", "url", "https://x.test/{{yyyy}}?a={{env.A}}", { kind: "url" }],
  ["data-source", "url", "{{msg.address}}", { kind: "url" }],
  ["data-source", "metadata", [{ name: "file", value: "{{source.name}}" }], {}],
  ["data-source", "timeZone", "Europe/Berlin", {}],
  ["s3-writer", "bucket", "reports.2026-q1", {}],
  ["folder-writer", "root", "/srv/outgoing", {}],
  ["folder-writer", "root", "D:\\outgoing", {}],
  ["folder-writer", "root", "\\\\server\\share", {}],
  ["folder-writer", "fileMode", "0640", {}],
  ["folder-writer", "doneFile", "", {}],
  ["sftp-writer", "doneFile", "", {}],
  ["sftp-writer", "doneFile", "{{source.name}}.done", {}],
  ["sftp-connection", "hostKeys", "", { hostKeyCheck: "show" }],
  ["sftp-connection", "hostKeys", `256 SHA256:${"A".repeat(43)} root@sftp (ED25519)`, {}],
  ["sftp-connection", "hostKeys", "sftp.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI", {}],
  ["s3-writer", "key", "{{#msg.items}}{{name}}{{/msg.items}}", {}],
  ["s3-writer", "onceKey", "", {}],
  ["s3-writer", "onceKey", "{{msg.schedule.scheduledAt}}", {}],
  ["s3-writer", "linkHours", "0", { link: false }],
  ["s3-writer", "concurrency", "", {}],
  ["notify", "to", "", { connection: "" }],
  ["notify", "to", "a@b.test, Ops <ops@b.test>, {{metadata.owner}}", { connection: "c" }],
  ["ftp-connection", "host", "2001:db8::1", {}],
  ["ftp-connection", "host", "192.0.2.7", {}],
  ["smtp-connection", "from", "Deliveries <deliveries@example.com>", {}],
  ["s3-connection", "roleArn", "", { authentication: "keys" }],
  ["store", "database", "", { kind: "redis" }],
  ["store", "database", "15", { kind: "redis" }],
  ["store", "database", "", { kind: "memory" }],
];

describe("validators", () => {
  test.each(refused)("%s.%s refuses %j", (folder, property, value, other, sentence) => {
    expect(half(folder).validate(property, value, other)).toMatch(sentence);
  });

  test.each(accepted)("%s.%s accepts %j", (folder, property, value, other) => {
    expect(half(folder).validate(property, value, other)).toBe(true);
  });

  test.each([...nodeFolders])("%s takes an environment variable in every field", (folder) => {
    const { definition, validate } = half(folder);
    const checked = Object.entries(definition.defaults).filter(([, { validate }]) => validate);
    expect(checked.length).toBeGreaterThan(0);
    for (const [property] of checked)
      expect([property, validate(property, `\${VALUE}`)]).toEqual([property, true]);
  });

  test.each([...nodeFolders])(
    "%s has functions of two arguments, or Node-RED would hide the sentence",
    (folder) => {
      for (const { validate } of Object.values(half(folder).definition.defaults)) {
        if (validate) expect(validate.length).toBe(2);
      }
    },
  );

  test.each([...nodeFolders])(
    "%s comes out of the palette asking only for what nobody else can know",
    (folder) => {
      const { definition, validate } = half(folder);
      const asked = Object.entries(definition.defaults)
        .filter(([name, one]) =>
          one.required ? one.value === "" : one.validate && validate(name, one.value) !== true,
        )
        .map(([name]) => name);
      const expected: Partial<Record<Folder, string[]>> = {
        "s3-writer": ["connection", "bucket"],
        "ftp-writer": ["connection"],
        "ftp-connection": ["host"],
        "sftp-writer": ["connection"],
        "sftp-connection": ["host", "hostKeys"],
        "folder-writer": ["root"],
        "smtp-connection": ["host", "from"],
        store: ["host", "database"],
      };
      expect(asked).toEqual(expected[folder] ?? []);
    },
  );

  test("never quote a value, which the editor would show as HTML", () => {
    const evil = "<img src=x onerror=alert(1)>";
    for (const folder of nodeFolders) {
      const { definition, validate } = half(folder);
      for (const [property, { validate: check }] of Object.entries(definition.defaults)) {
        const value = Array.isArray(definition.defaults[property]?.value)
          ? [{ name: evil, value: `{{${evil}}}` }]
          : `{{${evil}}}`;
        for (const kind of ["text", "file", "url", "function"]) {
          if (check)
            expect(String(validate(property, value, { kind, connection: "c" }))).not.toContain("<img");
        }
      }
    }
  });
});
