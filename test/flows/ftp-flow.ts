import type { FtpServer } from "../../demo/servers/ftp";
import type { SmtpServer } from "../../demo/servers/smtp";
import type { FlowNode } from "../support/node-red-process";

export interface FtpFlowParts {
  ftp: Pick<FtpServer, "host" | "port" | "user" | "password">;
  smtp: Pick<SmtpServer, "port">;
  /** Properties of the data source node. Default: a function that makes 200,000 bytes. */
  source?: Record<string, unknown>;
  /** Properties of the retry node. */
  policy?: Record<string, unknown>;
  /** Properties of the mail server's config node. */
  mail?: Record<string, unknown>;
}

/**
 * `button` → data source → FTP writer → retry and notify. What leaves a node arrives at a debug node:
 * `delivered`, `retrying`, `gave-up`, `sent`, `not-sent`.
 */
export function ftpFlow({ ftp, smtp, source, policy, mail }: FtpFlowParts): FlowNode[] {
  // Without a place on the tab they would be started as config nodes.
  const on = { z: "tab", x: 0, y: 0 };
  return [
    { id: "tab", type: "tab", label: "restart" },
    {
      id: "button",
      type: "inject",
      ...on,
      props: [{ p: "payload" }],
      payload: "",
      payloadType: "date",
      wires: [["source"]],
    },
    {
      id: "source",
      type: "delivery-data-source",
      ...on,
      kind: "function",
      func: "return 'x'.repeat(200000);",
      fileName: "report.txt",
      ...source,
      wires: [["writer"]],
    },
    {
      id: "ftp",
      type: "delivery-ftp-connection",
      host: ftp.host,
      port: ftp.port,
      security: "none",
      root: "/",
      credentials: { user: ftp.user, password: ftp.password },
    },
    {
      id: "writer",
      type: "delivery-ftp-writer",
      ...on,
      connection: "ftp",
      path: "in/{{source.name}}",
      makeFolders: true,
      temporaryName: true,
      verify: "size",
      conflict: "replace",
      wires: [["delivered", "notify"], ["retry"]],
    },
    { id: "retry", type: "delivery-retry", ...on, ...policy, wires: [["retrying"], ["gave-up", "notify"]] },
    {
      id: "smtp",
      type: "delivery-smtp-connection",
      host: "127.0.0.1",
      port: smtp.port,
      security: "none",
      from: "deliveries@example.test",
      ...mail,
    },
    {
      id: "notify",
      type: "delivery-notify",
      ...on,
      connection: "smtp",
      when: "both",
      to: "admin@example.test",
      wires: [["sent"], ["not-sent"]],
    },
    ...["delivered", "retrying", "gave-up", "sent", "not-sent"].map((id) => ({
      id,
      type: "debug",
      ...on,
      active: false,
      complete: "true",
      wires: [],
    })),
  ];
}
