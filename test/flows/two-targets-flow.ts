import type { FtpServer } from "../../demo/servers/ftp";
import type { S3Server } from "../../demo/servers/s3";
import type { SmtpServer } from "../../demo/servers/smtp";
import type { FlowNode } from "../support/node-red-process";

export interface TwoTargets {
  s3: S3Server;
  ftp: FtpServer;
  smtp: SmtpServer;
}

export const bucket = "deliveries";
export const targets = ["s3", "ftp"] as const;
export type Target = (typeof targets)[number];

/**
 * What is posted to `/http/s3/<name>` goes to the bucket, what is posted to `/http/ftp/<name>` to the FTP
 * server, each into the folder `in`. The answer 202 says only that the flow has it. What fails is tried again
 * after the delay; the admin gets a mail for each outcome. What waits for another try arrives at the debug node
 * `retrying`, and what should never leave a node at `unexpected`, both without the content.
 */
export function twoTargetsFlow(servers: TwoTargets, { retryDelaySeconds = 1 } = {}): FlowNode[] {
  const { s3, ftp, smtp } = servers;
  // Without a place on the tab they would be started as config nodes.
  const on = { z: "tab", x: 0, y: 0 };
  return [
    { id: "tab", type: "tab", label: "two targets" },
    ...targets.flatMap((target) => entryOf(target, on)),
    { id: "accepted", type: "http response", ...on, statusCode: "202", wires: [] },
    {
      id: "s3-connection",
      type: "delivery-s3-connection",
      ...{ endpoint: s3.endpoint, pathStyle: true, authentication: "keys" },
      credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    },
    {
      id: "s3",
      type: "delivery-s3-writer",
      ...on,
      ...{ connection: "s3-connection", bucket, key: "in/{{source.name}}", partMegabytes: 5 },
      wires: [["notify"], ["retry"]],
    },
    {
      id: "ftp-connection",
      type: "delivery-ftp-connection",
      ...{ host: ftp.host, port: ftp.port, security: "none", root: "/" },
      credentials: { user: ftp.user, password: ftp.password },
    },
    {
      id: "ftp",
      type: "delivery-ftp-writer",
      ...on,
      ...{ connection: "ftp-connection", path: "in/{{source.name}}", makeFolders: true, temporaryName: true },
      ...{ verify: "size", conflict: "replace" },
      wires: [["notify"], ["retry"]],
    },
    {
      id: "retry",
      type: "delivery-retry",
      ...on,
      ...{ preset: "custom", attempts: 1000, firstDelaySeconds: retryDelaySeconds, factor: 1 },
      ...{ jitterPercent: 0, timeLimitMinutes: 1440 },
      wires: [["bare-retrying"], ["notify", "bare-unexpected"]],
    },
    {
      id: "smtp",
      type: "delivery-smtp-connection",
      ...{ host: smtp.host, port: smtp.port, security: "none", from: "deliveries@example.test" },
    },
    {
      id: "notify",
      type: "delivery-notify",
      ...on,
      ...{ connection: "smtp", when: "both", to: "admin@example.test" },
      deliveredText: "{{delivery.id}}",
      wires: [[], ["bare-unexpected"]],
    },
    ...["retrying", "unexpected"].flatMap((id) => exitOf(id, on)),
  ];
}

function entryOf(target: Target, on: object): FlowNode[] {
  return [
    {
      id: `post-${target}`,
      type: "http in",
      ...on,
      url: `/${target}/:name`,
      method: "post",
      wires: [[`name-${target}`]],
    },
    {
      id: `name-${target}`,
      type: "function",
      ...on,
      outputs: 1,
      func: "msg.filename = msg.req.params.name; return msg;",
      wires: [[target, "accepted"]],
    },
  ];
}

function exitOf(id: string, on: object): FlowNode[] {
  const func = "return { delivery: msg.delivery, notification: msg.notification, error: msg.error };";
  return [
    { id: `bare-${id}`, type: "function", ...on, outputs: 1, func, wires: [[id]] },
    { id, type: "debug", ...on, active: false, complete: "true", wires: [] },
  ];
}
