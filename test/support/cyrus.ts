import { chmod, chown, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { type ParsedMail, simpleParser } from "mailparser";
import { createTransport } from "nodemailer";
import { startDaemon } from "./daemon";
import { freePort } from "./free-port";
import { readInbox } from "./imap";

export const cyrusPath = "/usr/lib/cyrus/bin/imapd";

const programs = "/usr/lib/cyrus/bin";

/** A mail as a mail server has it: whom it is for, and its bytes. */
export interface HandedMail {
  readonly envelope: { readonly from: string; readonly to: readonly string[] };
  readonly raw: Buffer;
}

/** A mailbox server. Each of its users has an inbox; mails come to it by the local part of their address. */
export interface Cyrus {
  readonly host: string;
  /** Takes mails by LMTP (RFC 2033), from anybody. */
  readonly lmtpPort: number;
  /**
   * Hands mails over by LMTP, one after the other, each when the one before it was taken.
   * @throws Error when one is refused
   */
  deliver(mails: readonly HandedMail[]): Promise<void>;
  /** What is in an inbox, as a mail program sees it, the oldest first. */
  mails(user: string): Promise<ParsedMail[]>;
  stop(): Promise<void>;
}

/**
 * Starts Debian's Cyrus IMAP on free ports of 127.0.0.1, in a folder of its own. What is not said here is as
 * its authors have it, also that of two mails with the same Message-ID and date an inbox gets the first
 * (imapd.conf(5), `duplicatesuppression`).
 */
export async function startCyrus(users: readonly string[]): Promise<Cyrus> {
  const folder = await mkdtemp(join(tmpdir(), "cyrus-"));
  const cleanups: (() => Promise<unknown>)[] = [
    // Its children end a moment after it.
    () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  ];
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    const [imapPort, lmtpPort] = [await freePort(), await freePort()];
    await prepareFolder(folder);
    await writeFile(join(folder, "imapd.conf"), imapConfiguration(folder));
    await writeFile(join(folder, "cyrus.conf"), services(folder, imapPort, lmtpPort));
    cleanups.push(await startMaster(folder, imapPort));
    const mails = async (user: string) =>
      Promise.all((await readInbox(imapPort, user, "any")).map((mail) => simpleParser(mail)));
    // An inbox is made when its user first logs in.
    for (const user of users) await mails(user);
    return {
      ...{ host: "127.0.0.1", lmtpPort },
      ...{ deliver: (handed) => deliver(lmtpPort, handed), mails, stop },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As root it gives up its rights to Debian's user for it; anybody else runs it as what they are. */
const isRoot = process.getuid?.() === 0;

async function prepareFolder(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  const owner = isRoot ? await stat("/var/lib/cyrus") : undefined;
  for (const name of ["state", "state/socket", "mail"]) {
    await mkdir(join(folder, name));
    if (owner) await chown(join(folder, name), owner.uid, owner.gid);
  }
}

function imapConfiguration(folder: string): string {
  const lines: Record<string, string> = {
    configdirectory: join(folder, "state"),
    defaultpartition: "default",
    "partition-default": join(folder, "mail"),
    ...(!isRoot && { cyrus_user: userInfo().username }),
    // Whoever logs in has an inbox from then on, without a limit.
    autocreate_quota: "0",
    // Any password is right: so it needs no users of this machine.
    sasl_pwcheck_method: "alwaystrue",
    allowplaintext: "yes",
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
}

/** cyrus.conf(5): as Debian's, without what these tests do not use. */
function services(folder: string, imapPort: number, lmtpPort: number): string {
  const configuration = `-C ${join(folder, "imapd.conf")}`;
  return `START {
  recover cmd="${programs}/ctl_cyrusdb ${configuration} -r"
}
SERVICES {
  imap cmd="imapd ${configuration}" listen="127.0.0.1:${imapPort}"
  lmtp cmd="lmtpd ${configuration} -a" listen="127.0.0.1:${lmtpPort}"
}
EVENTS {
}
`;
}

function startMaster(folder: string, port: number): Promise<() => Promise<void>> {
  const configuration = ["-C", join(folder, "imapd.conf"), "-M", join(folder, "cyrus.conf")];
  const master = [join(programs, "master"), ...configuration, "-p", join(folder, "state/pid"), "-D"];
  // When it ends, it ends its whole group of processes, in which other tests' servers would be.
  return startDaemon("setsid", master, { port });
}

async function deliver(port: number, mails: readonly HandedMail[]): Promise<void> {
  const transport = createTransport({
    ...{ host: "127.0.0.1", port, lmtp: true, ignoreTLS: true },
    ...{ pool: true, maxConnections: 1, maxMessages: Number.POSITIVE_INFINITY },
  });
  try {
    for (const { envelope, raw } of mails) {
      const { rejected } = await transport.sendMail({
        envelope: { from: envelope.from, to: [...envelope.to] },
        raw,
      });
      if (rejected.length > 0) throw new Error(`Cyrus refused a mail for ${rejected.join(", ")}.`);
    }
  } finally {
    transport.close();
  }
}
