import { randomInt } from "node:crypto";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CertificatePair, createAuthority } from "./certificates";
import { startDaemon } from "./daemon";
import type { DiskOwner } from "./disk-target";
import { freePort } from "./free-port";
import { addLogin } from "./local-login";

export const vsftpdPath = "/usr/sbin/vsftpd";

export interface VsftpdOptions {
  /** Sessions must be resumed on data connections (`require_ssl_reuse`). Default: no TLS. */
  tls?: "explicit" | "implicit";
  /** Default: one for localhost that `ca` vouches for. */
  certificate?: CertificatePair;
  /** More lines of vsftpd.conf(5), which win over ours: `{ max_clients: "1" }`. */
  settings?: Readonly<Record<string, string>>;
}

export interface Vsftpd {
  readonly host: string;
  readonly port: number;
  /** A login of this machine that exists as long as the server runs. */
  readonly user: string;
  readonly password: string;
  /** Where the user's files are on the disk. */
  readonly root: string;
  /** Whom new files in `root` have to belong to. */
  readonly owner: DiskOwner;
  /** PEM; the authority of the default certificate. */
  readonly ca: string;
  /** The protocol log so far, passwords left out. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts Debian's vsftpd on a free port of 127.0.0.1, with a login of its own and a folder of its own.
 * Only root can do that: vsftpd asks PAM about passwords, and PAM knows only real users.
 */
export async function startVsftpd(options: VsftpdOptions = {}): Promise<Vsftpd> {
  const authority = await createAuthority();
  const certificate = options.certificate ?? (await authority.issue());
  const folder = await mkdtemp(join(tmpdir(), "vsftpd-"));
  const root = join(folder, "home");
  const cleanups = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    const login = await addLogin(root);
    cleanups.push(login.remove);
    await prepareFolder(folder, login.owner, certificate);
    const port = await freePort();
    await writeFile(join(folder, "vsftpd.conf"), configuration(folder, port, options));
    cleanups.push(await startDaemon(vsftpdPath, [join(folder, "vsftpd.conf")], { port }));
    const { user, password, owner } = login;
    const log = () => readFile(join(folder, "vsftpd.log"), "utf8").catch(() => "");
    return { host: "127.0.0.1", port, user, password, root, owner, ca: authority.ca, log, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function prepareFolder(folder: string, owner: DiskOwner, { key, cert }: CertificatePair) {
  await chmod(folder, 0o755);
  await mkdir(join(folder, "home"));
  await chown(join(folder, "home"), owner.uid, owner.gid);
  await mkdir(join(folder, "empty"), 0o755);
  await writeFile(join(folder, "key.pem"), key, { mode: 0o600 });
  await writeFile(join(folder, "cert.pem"), cert);
}

function configuration(folder: string, port: number, { tls, settings }: VsftpdOptions): string {
  const firstPassivePort = randomInt(20_000, 30_000);
  const lines: Record<string, string> = {
    listen: "YES",
    listen_ipv6: "NO",
    listen_address: "127.0.0.1",
    listen_port: String(port),
    background: "NO",
    anonymous_enable: "NO",
    local_enable: "YES",
    write_enable: "YES",
    local_umask: "022",
    chroot_local_user: "YES",
    allow_writeable_chroot: "YES",
    secure_chroot_dir: join(folder, "empty"),
    pam_service_name: "vsftpd",
    connect_from_port_20: "NO",
    pasv_min_port: String(firstPassivePort),
    pasv_max_port: String(firstPassivePort + 999),
    utf8_filesystem: "YES",
    delay_failed_login: "0",
    xferlog_enable: "YES",
    vsftpd_log_file: join(folder, "vsftpd.log"),
    log_ftp_protocol: "YES",
    ...(tls && {
      ssl_enable: "YES",
      implicit_ssl: tls === "implicit" ? "YES" : "NO",
      force_local_logins_ssl: "YES",
      force_local_data_ssl: "YES",
      require_ssl_reuse: "YES",
      ssl_ciphers: "HIGH",
      rsa_cert_file: join(folder, "cert.pem"),
      rsa_private_key_file: join(folder, "key.pem"),
    }),
    ...settings,
  };
  // vsftpd refuses spaces around the equals sign.
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}
