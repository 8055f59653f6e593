import { randomBytes } from "node:crypto";
import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type FtpHook, startFtpServer } from "../../../demo/servers/ftp";
import {
  createFtpConnection,
  createFtpWriter,
  readFtpConnectionOptions,
  readFtpWriterOptions,
} from "../../../src/lib";
import { diskTarget } from "../../support/disk-target";
import { type FaultProxy, startFaultProxy } from "../../support/fault-proxy";
import { startVsftpd, type Vsftpd } from "../../support/vsftpd";
import type { Scene, SceneOptions, Stage } from "../scene";

interface FtpPlace {
  root: string;
  owner?: Vsftpd["owner"];
  user: string;
  password: string;
  proxy: FaultProxy;
  settings?: Record<string, unknown>;
  end(): Promise<void>;
}

/** The server of the demo: each row has one of its own, with a hook of its own. */
export const embeddedFtp: Stage = {
  name: "ftp (embedded)",
  async start() {},
  async stop() {},
  async scene(row, options) {
    const password = `canary-${randomBytes(9).toString("hex")}`;
    const server = await startFtpServer({ user: "reporter", password });
    server.hook = options.server as FtpHook | undefined;
    const proxy = await startFaultProxy(server.port, { ftp: true });
    return ftpScene(
      row,
      { ...server, user: "reporter", password, proxy, end: () => server.close() },
      options,
    );
  },
};

export function vsftpd(tls?: "explicit"): Stage {
  let server: Vsftpd;
  // Behind TLS nobody can read which port the server names.
  const first = 30_500;
  const passivePorts = [first, first + 59] as const;
  return {
    name: tls ? "ftps (vsftpd)" : "ftp (vsftpd)",
    async start() {
      const settings = { pasv_min_port: String(passivePorts[0]), pasv_max_port: String(passivePorts[1]) };
      server = await startVsftpd(tls ? { tls, settings } : {});
    },
    stop: () => server.stop(),
    async scene(row, options) {
      const proxy = await startFaultProxy(server.port, tls ? { passivePorts } : { ftp: true });
      const { root, owner, user, password, ca } = server;
      const settings = tls ? { security: tls, ca, serverName: "localhost" } : {};
      return ftpScene(row, { root, owner, user, password, proxy, settings, end: async () => {} }, options);
    },
  };
}

async function ftpScene(row: string, place: FtpPlace, options: SceneOptions): Promise<Scene> {
  const { proxy, user, password, owner } = place;
  const root = join(place.root, row);
  await mkdir(root);
  if (owner) await chown(root, owner.uid, owner.gid);
  const { host, port } = proxy;
  const connection = createFtpConnection(
    readFtpConnectionOptions({
      ...{ host, port, user, password, root: `/${row}` },
      ...place.settings,
      ...options.connection,
    }),
  );
  const writer = createFtpWriter(connection, readFtpWriterOptions({ ...options.writer }));
  const disk = diskTarget(root, owner);
  return {
    ...disk,
    writer,
    proxy,
    where: connection.description,
    path: `/${row}/`,
    secrets: [password],
    async close() {
      await writer.close();
      await connection.close();
    },
    async end() {
      await proxy.stop();
      await place.end();
    },
  };
}
