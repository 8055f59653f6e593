import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DiskOwner } from "./disk-target";
import { freePort } from "./free-port";
import { addLogin } from "./local-login";

export const sshdPath = "/usr/sbin/sshd";

/** What a server has of each. */
export const keyTypes = ["ed25519", "ecdsa", "rsa"] as const;
export type KeyType = (typeof keyTypes)[number];

export interface SshdOptions {
  /** More lines of sshd_config(5), which win over ours: `{ MaxStartups: "1" }`. */
  settings?: Readonly<Record<string, string>>;
  /** Arguments of sftp-server(8): `-P posix-rename`. */
  sftpArguments?: string;
  /** Default: all. */
  hostKeys?: readonly KeyType[];
}

export interface Sshd {
  readonly host: string;
  readonly port: number;
  /** A login of this machine that exists as long as the server runs. */
  readonly user: string;
  readonly password: string;
  /** What the user may log in with, in OpenSSH's form; the second one under a passphrase. */
  readonly privateKey: string;
  readonly protectedKey: string;
  readonly passphrase: string;
  /** Where the user's files are on the disk: the user's own folder. */
  readonly root: string;
  /** Whom new files in `root` have to belong to. */
  readonly owner: DiskOwner;
  /** As `ssh-keygen -l` shows them: `SHA256:…`. */
  readonly fingerprints: Readonly<Record<KeyType, string>>;
  /** As `ssh-keyscan` prints them, one a line. */
  readonly knownHosts: string;
  log(): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts Debian's OpenSSH on a free port of 127.0.0.1, with keys, a login and a folder of its own.
 * Only root can do that: others cannot check anybody's password.
 */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const folder = await mkdtemp(join(tmpdir(), "sshd-"));
  const root = join(folder, "home");
  const cleanups: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    const login = await addLogin(root);
    cleanups.push(login.remove);
    const { user, password, owner } = login;
    await chmod(folder, 0o755);
    await mkdir(root);
    await chown(root, owner.uid, owner.gid);
    await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
    await writeKeys(folder);
    const port = await freePort();
    await writeFile(join(folder, "sshd_config"), configuration(folder, port, options));
    const server = spawn(sshdPath, ["-D", "-f", join(folder, "sshd_config"), "-E", join(folder, "log")]);
    cleanups.push(() => end(server));
    const log = () => text(folder, "log").catch(() => "");
    await untilListening(server, port, log);
    return {
      host: "127.0.0.1",
      port,
      user,
      password,
      privateKey: await text(folder, "user"),
      protectedKey: await text(folder, "protected"),
      passphrase,
      root,
      owner,
      fingerprints: {
        ed25519: fingerprint(folder, "ed25519"),
        ecdsa: fingerprint(folder, "ecdsa"),
        rsa: fingerprint(folder, "rsa"),
      },
      knownHosts: (await Promise.all(keyTypes.map((type) => text(folder, `host-${type}.pub`))))
        .map((line) => `[127.0.0.1]:${port} ${line}`)
        .join(""),
      log,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const text = (folder: string, name: string) => readFile(join(folder, name), "utf8");

const passphrase = "c4nary passphrase";
let madeKeys: ReadonlyMap<string, string> | undefined;

/** Keys take seconds to make: the servers of one process have the same. */
async function writeKeys(folder: string): Promise<void> {
  madeKeys ??= makeKeys();
  for (const [name, content] of madeKeys) await writeFile(join(folder, name), content, { mode: 0o600 });
  const publicKeys = ["user.pub", "protected.pub"].map((name) => madeKeys?.get(name));
  await writeFile(join(folder, "authorized_keys"), publicKeys.join(""));
}

function makeKeys(): ReadonlyMap<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "sshd-keys-"));
  try {
    for (const type of keyTypes) generateKey(join(folder, `host-${type}`), type);
    generateKey(join(folder, "user"), "ed25519");
    generateKey(join(folder, "protected"), "rsa", passphrase);
    return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function fingerprint(folder: string, type: KeyType): string {
  const list = ["-l", "-f", join(folder, `host-${type}.pub`)];
  const output = execFileSync("ssh-keygen", list, { encoding: "utf8" });
  return /SHA256:\S+/.exec(output)?.[0] ?? "";
}

function generateKey(path: string, type: KeyType, passphrase = ""): void {
  const bits = type === "rsa" ? ["-b", "2048"] : [];
  execFileSync("ssh-keygen", ["-q", "-t", type, ...bits, "-N", passphrase, "-C", "test", "-f", path]);
}

function configuration(folder: string, port: number, options: SshdOptions): string {
  const { settings, sftpArguments = "", hostKeys = keyTypes } = options;
  const lines: Record<string, string> = {
    Port: String(port),
    ListenAddress: "127.0.0.1",
    PidFile: "none",
    UsePAM: "no",
    StrictModes: "no",
    AuthorizedKeysFile: join(folder, "authorized_keys"),
    MaxStartups: "100",
    LogLevel: "VERBOSE",
    Subsystem: `sftp internal-sftp ${sftpArguments}`,
    ...settings,
  };
  const hostKeyLines = hostKeys.map((type) => `HostKey ${join(folder, `host-${type}`)}`);
  return [...hostKeyLines, ...Object.entries(lines).map(([name, value]) => `${name} ${value}`), ""].join(
    "\n",
  );
}

async function untilListening(server: ChildProcess, port: number, log: () => Promise<string>): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(50)) {
    if (server.exitCode !== null) throw new Error(`sshd ended at once: ${await log()}`);
    if (await accepts(port)) return;
  }
  throw new Error(`sshd did not answer within 10 s: ${await log()}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, "127.0.0.1");
    probe.once("connect", () => resolve(true)).once("error", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });
}

/** The listener's sessions are processes of their own; they end with their connections. */
async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill();
  await ended;
}
