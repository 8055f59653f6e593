import { randomInt } from "node:crypto";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CertificatePair, createAuthority } from "./certificates";
import { startDaemon } from "./daemon";
import type { DiskOwner } from "./disk-target";
import { freePort } from "./free-port";
import { addLogin } from "./local-login";
import { type UnpackedPackage, unpackPackages } from "./unpacked-package";

/** For `requirePackages`. */
export const proftpdPackages = ["proftpd-core", "proftpd-mod-crypto"] as const;
export const pureFtpdPackages = ["pure-ftpd"] as const;

/** ProFTPD and Pure-FTPd, as Debian has them. Only root can start them: they ask for real users' passwords. */

export interface UnpackedFtpd {
  readonly host: string;
  readonly port: number;
  /** A login of this machine that exists as long as the server runs. */
  readonly user: string;
  readonly password: string;
  /** Where the user's files are on the disk. */
  readonly root: string;
  readonly owner: DiskOwner;
  /** PEM; the authority of the server's certificate. */
  readonly ca: string;
  stop(): Promise<void>;
}

interface Place {
  /** For the server's own files. */
  folder: string;
  port: number;
  firstPassivePort: number;
}

interface Program {
  unpack(): UnpackedPackage;
  command(unpacked: UnpackedPackage, place: Place): Promise<{ program: string; parameters: string[] }>;
}

export interface ProftpdOptions {
  /** Explicit TLS for everything, and sessions resumed on data connections, as is its default. */
  tls?: boolean;
  /** `mod_digest`: HASH, XCRC, XMD5, XSHA and more, which is off by default. */
  digests?: boolean;
}

/** @throws Error when Debian's package cannot be had */
export function startProftpd(options: ProftpdOptions = {}): Promise<UnpackedFtpd> {
  return start({
    unpack: () => unpackPackages(...proftpdPackages),
    async command({ folder: unpacked }, place) {
      const file = join(place.folder, "proftpd.conf");
      await writeFile(file, proftpdConfiguration(unpacked, place, options));
      return { program: join(unpacked, "usr/sbin/proftpd"), parameters: ["-n", "-c", file] };
    },
  });
}

function proftpdConfiguration(
  unpacked: string,
  { folder, port, firstPassivePort }: Place,
  { tls, digests }: ProftpdOptions,
): string {
  const lines = [
    `ModulePath ${join(unpacked, "usr/lib/proftpd")}`,
    ...(tls ? ["LoadModule mod_tls.c"] : []),
    ...(digests ? ["LoadModule mod_digest.c", "DigestEngine on"] : []),
    "ServerType standalone",
    `Port ${port}`,
    "DefaultAddress 127.0.0.1",
    "SocketBindTight on",
    "UseIPv6 off",
    "UseReverseDNS off",
    "AuthOrder mod_auth_unix.c",
    "User nobody",
    "Group nogroup",
    "DefaultRoot ~",
    "AllowOverwrite on",
    "AllowStoreRestart on",
    "WtmpLog off",
    `PassivePorts ${firstPassivePort} ${firstPassivePort + 999}`,
    `ScoreboardFile ${join(folder, "scoreboard")}`,
    `PidFile ${join(folder, "pid")}`,
    `SystemLog ${join(folder, "log")}`,
    `TransferLog none`,
    "<IfModule mod_delay.c>",
    "  DelayEngine off",
    "</IfModule>",
    ...(tls
      ? [
          "TLSEngine on",
          "TLSRequired on",
          `TLSRSACertificateFile ${join(folder, "cert.pem")}`,
          `TLSRSACertificateKeyFile ${join(folder, "key.pem")}`,
          `TLSLog ${join(folder, "tls.log")}`,
        ]
      : []),
  ];
  return `${lines.join("\n")}\n`;
}

/** @throws Error when Debian's package cannot be had */
export function startPureFtpd(): Promise<UnpackedFtpd> {
  return start({
    unpack: () => unpackPackages(...pureFtpdPackages),
    async command({ folder: unpacked }, { folder, port, firstPassivePort }) {
      const program = join(unpacked, "usr/sbin/pure-ftpd");
      const parameters = ["-S", `127.0.0.1,${port}`, "-4", "-E", "-A", "-H", "-l", "unix", "-u", "1"];
      parameters.push("-p", `${firstPassivePort}:${firstPassivePort + 999}`, "-g", join(folder, "pid"));
      return { program, parameters };
    },
  });
}

async function start(kind: Program): Promise<UnpackedFtpd> {
  const unpacked = kind.unpack();
  const authority = await createAuthority();
  const folder = await mkdtemp(join(tmpdir(), "ftpd-"));
  const root = join(folder, "home");
  const cleanups = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    const { user, password, owner, remove } = await addLogin(root);
    cleanups.push(remove);
    await prepare(folder, root, owner, await authority.issue());
    const place = { folder, port: await freePort(), firstPassivePort: randomInt(30_000, 31_000) };
    const { program, parameters } = await kind.command(unpacked, place);
    cleanups.push(await startDaemon(program, parameters, { port: place.port, env: unpacked.env }));
    return { host: "127.0.0.1", port: place.port, user, password, root, owner, ca: authority.ca, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function prepare(folder: string, root: string, owner: DiskOwner, { key, cert }: CertificatePair) {
  await chmod(folder, 0o755);
  await mkdir(root);
  await chown(root, owner.uid, owner.gid);
  await writeFile(join(folder, "key.pem"), key, { mode: 0o600 });
  await writeFile(join(folder, "cert.pem"), cert);
}
