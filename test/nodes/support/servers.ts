import { afterAll, beforeAll } from "vitest";
import { type FtpServer, startFtpServer } from "../../../demo/servers/ftp";
import { type S3Server, startS3Server } from "../../../demo/servers/s3";
import { type SmtpServer, startSmtpServer } from "../../../demo/servers/smtp";
import type { FlowNode } from "./runtime";

export interface Servers {
  s3: S3Server;
  ftp: FtpServer;
  smtp: SmtpServer;
}

export const bucket = "reports";
const login = { user: "deliveries", password: "mail-pass" };

/** The three servers for the tests of one file. They are there once the tests run. */
export function useServers(): Servers {
  const servers = {} as Servers;
  beforeAll(async () => {
    servers.s3 = await startS3Server();
    servers.s3.createBucket(bucket);
    servers.ftp = await startFtpServer();
    servers.smtp = await startSmtpServer(login);
  });
  afterAll(async () => {
    await Promise.all([servers.s3, servers.ftp, servers.smtp].map((server) => server?.close()));
  });
  return servers;
}

type Settings = Record<string, unknown>;

export function s3Connection({ s3 }: Servers, settings: Settings = {}): FlowNode {
  return {
    id: "s3",
    type: "delivery-s3-connection",
    endpoint: s3.endpoint,
    pathStyle: true,
    ...settings,
  };
}

export function ftpConnection({ ftp }: Servers, settings: Settings = {}): FlowNode {
  return { id: "ftp", type: "delivery-ftp-connection", host: ftp.host, port: String(ftp.port), ...settings };
}

export function smtpConnection({ smtp }: Servers, settings: Settings = {}): FlowNode {
  return {
    id: "smtp",
    type: "delivery-smtp-connection",
    host: smtp.host,
    port: String(smtp.port),
    security: "none",
    from: "Deliveries <deliveries@example.com>",
    ...settings,
  };
}

/** Of all connections. */
export function credentialsOf({
  s3,
  ftp,
}: Servers): Record<"s3" | "ftp" | "sftp" | "smtp", Record<string, string>> {
  return {
    s3: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    ftp: { user: ftp.user, password: ftp.password },
    sftp: { user: "partner", password: "sftp-pass" },
    smtp: login,
  };
}

export function s3Writer(settings: Settings = {}): FlowNode {
  return {
    id: "writer",
    type: "delivery-s3-writer",
    name: "To S3",
    connection: "s3",
    bucket,
    key: "{{source.name}}",
    wires: [["delivered"], ["failed"]],
    ...settings,
  };
}

export function ftpWriter(settings: Settings = {}): FlowNode {
  return {
    id: "writer",
    type: "delivery-ftp-writer",
    name: "To FTP",
    connection: "ftp",
    path: "{{source.name}}",
    wires: [["delivered"], ["failed"]],
    ...settings,
  };
}

export function folderWriter(settings: Settings = {}): FlowNode {
  return {
    id: "writer",
    type: "delivery-folder-writer",
    name: "To a folder",
    path: "{{source.name}}",
    wires: [["delivered"], ["failed"]],
    ...settings,
  };
}

/** To a port at which nobody listens, unless told otherwise. */
export function sftpConnection(_servers: Servers, settings: Settings = {}): FlowNode {
  return {
    id: "sftp",
    type: "delivery-sftp-connection",
    host: "127.0.0.1",
    port: "9",
    hostKeys: `SHA256:${"A".repeat(43)}`,
    ...settings,
  };
}

export function sftpWriter(settings: Settings = {}): FlowNode {
  return {
    id: "writer",
    type: "delivery-sftp-writer",
    name: "To SFTP",
    connection: "sftp",
    path: "{{source.name}}",
    wires: [["delivered"], ["failed"]],
    ...settings,
  };
}

export function dataSource(settings: Settings = {}): FlowNode {
  return { id: "source", type: "delivery-data-source", wires: [["out"]], ...settings };
}

export function notify(settings: Settings = {}): FlowNode {
  return {
    id: "notify",
    type: "delivery-notify",
    connection: "smtp",
    to: "ops@example.com",
    wires: [["sent"], ["unsent"]],
    ...settings,
  };
}

export function retry(settings: Settings = {}): FlowNode {
  return { id: "retry", type: "delivery-retry", wires: [["retrying"], ["gaveUp"]], ...settings };
}

/** Nodes that keep what they receive. */
export function ends(...ids: string[]): FlowNode[] {
  return ids.map((id) => ({ id, type: "helper" }));
}

/** A Catch, a Complete and a helper node for each, which get everything of the tab. */
export function watchers(of: string): FlowNode[] {
  return [
    { id: "catch", type: "catch", scope: null, uncaught: false, wires: [["caught"]] },
    { id: "complete", type: "complete", scope: [of], wires: [["completed"]] },
    ...ends("caught", "completed"),
  ];
}
