import type { FtpServer } from "../demo/servers/ftp";
import type { S3Server } from "../demo/servers/s3";
import { loadEditorHalf } from "../test/support/editor-half";
import type { FlowNode } from "../test/support/node-red-process";

/** A flow with every node of the package in it, set up as people would, and able to run. */
export function showcaseFlow({ s3, ftp }: { s3: S3Server; ftp: FtpServer }): FlowNode[] {
  const node = (
    folder: string,
    id: string,
    [x, y]: [number, number],
    wires: string[][],
    settings: object,
  ) => ({
    ...defaultsOf(folder),
    id,
    z: "tab",
    x,
    y,
    wires,
    ...settings,
  });
  const config = (folder: string, settings: object, credentials: Record<string, string>) => ({
    ...defaultsOf(folder),
    id: folder,
    ...settings,
    credentials,
  });
  return [
    { id: "tab", type: "tab", label: "Customer report", disabled: false, info: "" },
    {
      id: "inject",
      type: "inject",
      z: "tab",
      name: "every night",
      props: [{ p: "topic", vt: "str" }],
      repeat: "",
      crontab: "00 00 * * *",
      once: false,
      onceDelay: 0.1,
      topic: "",
      x: 130,
      y: 120,
      wires: [["data-source"]],
    },
    node("schedule", "schedule", [130, 60], [["data-source"]], {
      cron: "30 2 * * *",
      timeZone: "Europe/Berlin",
      topic: "customers",
    }),
    node("data-source", "data-source", [320, 120], [["s3-writer", "ftp-writer"]], {
      kind: "function",
      fileName: "customers-{{yyyy}}-{{MM}}-{{dd}}.csv",
      metadata: [
        { name: "title", value: "Customers of {{yyyy}}-{{MM}}-{{dd}}" },
        { name: "file", value: "{{source.name}}" },
      ],
    }),
    node("s3-writer", "s3-writer", [560, 100], [["notify"], ["retry"]], {
      connection: "s3-connection",
      bucket: "reports",
      key: "customers/{{yyyy}}/{{source.name}}",
      link: true,
      metadata: [{ name: "generated-by", value: "Node-RED" }],
      tags: [{ name: "team", value: "sales" }],
    }),
    node("ftp-writer", "ftp-writer", [560, 220], [["notify"], ["retry"]], {
      connection: "ftp-connection",
      path: "incoming/{{isoDate}}/{{source.name}}",
    }),
    node("retry", "retry", [760, 180], [[], ["notify"]], {}),
    node("notify", "notify", [960, 120], [[], []], {
      connection: "smtp-connection",
      to: "ops@example.com",
      deliveredSubject: "{{metadata.title}} is there",
    }),
    { ...node("notify", "notify-log", [960, 220], [[], []], {}), name: "to the log" },
    // Nothing uses it: it is there to be looked at.
    config(
      "store",
      { kind: "redis", host: "redis.example.com", port: "6379", spool: "bucket" },
      { user: "", password: "secret" },
    ),
    config(
      "s3-connection",
      { endpoint: s3.endpoint, pathStyle: true },
      { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    ),
    config(
      "ftp-connection",
      { host: ftp.host, port: String(ftp.port), security: "none" },
      { user: ftp.user, password: ftp.password },
    ),
    config(
      "smtp-connection",
      { host: "mail.example.com", from: "Deliveries <deliveries@example.com>" },
      { user: "deliveries", password: "secret" },
    ),
  ];
}

function defaultsOf(folder: string): { type: string } {
  const { type, definition } = loadEditorHalf(folder);
  const defaults = Object.entries(definition.defaults).map(([name, { value }]) => [name, value]);
  return { type, ...Object.fromEntries(defaults) };
}
