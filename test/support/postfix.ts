import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ParsedMail, simpleParser } from "mailparser";
import { createAuthority } from "./certificates";
import { freePort } from "./free-port";
import { startSaslServer } from "./sasl-server";

export const postfixPath = "/usr/sbin/postfix";

/** Mails to this domain end in the server's own mailbox. */
export const postfixDomain = "postfix.test";

export interface PostfixOptions {
  /** More lines of main.cf (postconf(5)), which win over ours. */
  settings?: Readonly<Record<string, string>>;
  /** What the server answers to RCPT for an address: `550 5.1.1 No such user`. */
  recipients?: Readonly<Record<string, string>>;
}

export interface Postfix {
  readonly host: string;
  readonly port: number;
  /** May send anywhere; without a login, mails go to `postfixDomain` only. */
  readonly user: string;
  readonly password: string;
  /** PEM; the authority of the server's certificate. */
  readonly ca: string;
  /**
   * The delivered mails, once there are as many.
   * @throws Error after 20 s
   */
  mails(count: number): Promise<ParsedMail[]>;
  log(): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts Debian's Postfix on a free port of 127.0.0.1, with folders of its own. Only root can do that: its
 * programs give up their rights to the user `postfix`.
 */
export async function startPostfix(options: PostfixOptions = {}): Promise<Postfix> {
  if (process.getuid?.() !== 0) throw new Error("Postfix can be started by root only.");
  const authority = await createAuthority();
  const certificate = await authority.issue();
  const folder = await mkdtemp(join(tmpdir(), "postfix-"));
  const cleanups: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    const [user, password] = ["us@r", randomBytes(12).toString("hex")];
    const sasl = await startSaslServer(user, password);
    cleanups.push(() => sasl.close());
    await prepareFolder(folder);
    await writeFile(join(folder, "tls.pem"), certificate.key + certificate.cert, { mode: 0o600 });
    const port = await freePort();
    await writeFile(join(folder, "main.cf"), mainConfiguration(folder, sasl.port, options));
    await writeFile(join(folder, "master.cf"), masterConfiguration(port));
    const server = spawn(postfixPath, ["-c", folder, "start-fg"], { stdio: ["ignore", "pipe", "pipe"] });
    cleanups.push(() => end(server));
    const log = () => readFile(join(folder, "mail.log"), "utf8").catch(() => "");
    await untilGreeting(server, port, log);
    const mails = (count: number) => waitForMails(join(folder, "mail", "new"), count);
    return { host: "127.0.0.1", port, user, password, ca: authority.ca, mails, log, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const nobody = 65_534;

async function prepareFolder(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const name of ["queue", "data", "mail"]) await mkdir(join(folder, name), 0o755);
  // Whoever owns Debian's is who ours must belong to.
  const { uid, gid } = await stat("/var/lib/postfix");
  await chown(join(folder, "data"), uid, gid);
  await chown(join(folder, "mail"), nobody, nobody);
}

function mainConfiguration(folder: string, saslPort: number, options: PostfixOptions): string {
  const answers = Object.entries(options.recipients ?? {})
    .map(([address, answer]) => `{${address}=${answer}}`)
    .join(" ");
  const lines: Record<string, string> = {
    compatibility_level: "3.6",
    myhostname: "mail.postfix.test",
    mydestination: "",
    mynetworks: "",
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    queue_directory: join(folder, "queue"),
    data_directory: join(folder, "data"),
    maillog_file: join(folder, "mail.log"),
    maillog_file_prefixes: folder,
    alias_maps: "",
    virtual_mailbox_domains: postfixDomain,
    virtual_mailbox_base: folder,
    virtual_mailbox_maps: "static:mail/",
    virtual_uid_maps: `static:${nobody}`,
    virtual_gid_maps: `static:${nobody}`,
    // No test may reach another machine.
    default_transport: "discard:",
    smtpd_relay_restrictions: "permit_sasl_authenticated, reject_unauth_destination",
    smtpd_recipient_restrictions: answers ? `check_recipient_access inline:{ ${answers} }, permit` : "permit",
    smtpd_tls_security_level: "may",
    smtpd_tls_chain_files: join(folder, "tls.pem"),
    smtpd_tls_auth_only: "yes",
    smtpd_tls_received_header: "yes",
    smtpd_sasl_auth_enable: "yes",
    smtpd_sasl_type: "dovecot",
    smtpd_sasl_path: `inet:127.0.0.1:${saslPort}`,
    smtpd_sasl_authenticated_header: "yes",
    ...options.settings,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join("");
}

/** As Debian's, without chroot and without what these tests do not use. */
function masterConfiguration(port: number): string {
  const lines = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "proxymap unix - - n - - proxymap",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "discard unix - - n - - discard",
    "virtual unix - n n - - virtual",
    "lmtp unix - - n - - lmtp",
    "anvil unix - - n - 1 anvil",
    "postlog unix-dgram n - n - 1 postlogd",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

async function waitForMails(folder: string, count: number): Promise<ParsedMail[]> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(50)) {
    const names = await readdir(folder).catch(() => []);
    if (names.length < count) continue;
    return Promise.all(names.sort().map(async (name) => simpleParser(await readFile(join(folder, name)))));
  }
  throw new Error(`There were not ${count} mails within 20 s.`);
}

async function untilGreeting(server: ChildProcess, port: number, log: () => Promise<string>): Promise<void> {
  let output = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(100)) {
    if (server.exitCode !== null) break;
    if (await greets(port)) return;
  }
  throw new Error(`Postfix does not answer: ${output.trim()} ${await log()}`);
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, "127.0.0.1");
    probe.setTimeout(2000, () => probe.destroy());
    probe.once("data", (greeting) => {
      resolve(greeting.toString().startsWith("220"));
      probe.destroy();
    });
    probe.on("error", () => {}).once("close", () => resolve(false));
  });
}

/** The master process ends its own. */
async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill();
  await ended;
}
