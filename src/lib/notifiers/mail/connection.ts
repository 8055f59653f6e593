import type { Transporter } from "nodemailer";
import type { SMTPPoolOptions } from "nodemailer/lib/smtp-pool";
import { DeliveryError, type RefusedRecipient } from "../../errors";
import { quote } from "../../quotation";
import { classifySmtpError, isPermanentReply } from "./errors";
import type { SmtpConnectionOptions } from "./options";
import type { Mailbox } from "./recipients";

export interface SmtpMail {
  /** With its angle brackets (RFC 5322 §3.6.4). */
  messageId: string;
  subject: string;
  text: string;
  date: Date;
  /** Whom the mail says it is to. */
  to: readonly Mailbox[];
  /** The addresses that get it now: the envelope (RFC 5321 §3.3). */
  recipients: readonly string[];
}

export interface SmtpRefusal extends RefusedRecipient {
  /** Whether asking again is pointless. */
  permanent: boolean;
}

/** What became of each recipient. */
export interface SmtpResult {
  accepted: string[];
  refused: SmtpRefusal[];
}

/** One mail server and one login, with a pool of sessions that several notifiers may share. */
export interface SmtpConnection {
  /** For sentences: `the mail server mail.example.com:587`. */
  readonly description: string;
  readonly from: Mailbox;
  /**
   * Hands one mail to the server. Connects, and loads nodemailer, on first use. Resolves also when every
   * recipient was refused.
   * @throws DeliveryError
   */
  send(mail: SmtpMail, signal: AbortSignal): Promise<SmtpResult>;
  /** Ends what is being sent and closes all sessions. */
  close(): void;
}

/** Long enough for a burst of mails; nothing of us stays behind in a quiet server. */
const pooledIdleMs = 10_000;
const maxSessions = 4;
/** Once, for a pooled session that the server closed meanwhile; whether to try again is not ours to decide. */
const maxRequeues = 1;

/** Connects on first use. */
export function createSmtpConnection(options: SmtpConnectionOptions): SmtpConnection {
  const { host, port, from } = options;
  const description = `the mail server ${host.includes(":") ? `[${host}]` : host}:${port}`;
  const place = { where: description, secrets: secretsOf(options) };
  let made: Promise<Transporter> | undefined;
  let closed = false;

  const transporter = (): Promise<Transporter> => {
    made ??= createTransporter(options);
    return made;
  };

  return {
    description,
    from,
    async send(mail, signal) {
      try {
        if (closed) throw new DeliveryError("cancelled", "The connection to the mail server was closed.");
        const info = await (await transporter()).sendMail(messageOf(mail, from, signal));
        return { accepted: info.accepted ?? [], refused: refusalsOf(info, place.secrets) };
      } catch (error) {
        if (closed) throw new DeliveryError("cancelled", "The connection to the mail server was closed.");
        const refused = refusalsOf(error, place.secrets);
        if (refused.length > 0) return { accepted: [], refused };
        throw classifySmtpError(error, place);
      }
    },
    close() {
      closed = true;
      made?.then(
        (open) => open.close({ force: true }),
        () => {},
      );
    },
  };
}

async function createTransporter(options: SmtpConnectionOptions): Promise<Transporter> {
  const { createTransport } = await import("nodemailer");
  return createTransport(poolOptions(options));
}

function poolOptions(options: SmtpConnectionOptions): SMTPPoolOptions & { pool: true } {
  const { host, port, security, user, password, connectTimeoutMs, idleTimeoutMs } = options;
  return {
    pool: true,
    host,
    port,
    secure: security === "tls",
    requireTLS: security === "starttls",
    ignoreTLS: security === "none",
    // Without it, a server that offers no login would get the mail without one.
    forceAuth: true,
    ...(user !== undefined && { auth: { user, pass: password ?? "" } }),
    tls: {
      rejectUnauthorized: options.verifyCertificate,
      ...(options.ca !== undefined && { ca: options.ca }),
    },
    connectionTimeout: connectTimeoutMs,
    greetingTimeout: connectTimeoutMs,
    dnsTimeout: connectTimeoutMs,
    socketTimeout: idleTimeoutMs,
    socketCloseTimeout: 1000,
    idleTimeout: pooledIdleMs,
    maxConnections: maxSessions,
    maxRequeues,
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false,
  };
}

function messageOf(mail: SmtpMail, from: Mailbox, signal: AbortSignal) {
  return {
    from: { ...from },
    to: mail.to.map((mailbox) => ({ ...mailbox })),
    // Never left to what can be read out of the headers.
    envelope: { from: from.address, to: [...mail.recipients] },
    subject: mail.subject,
    text: mail.text,
    messageId: mail.messageId,
    date: mail.date,
    // RFC 3834 §5: no out-of-office reply to a machine.
    headers: { "Auto-Submitted": "auto-generated" },
    disableFileAccess: true,
    disableUrlAccess: true,
    signal,
  };
}

/** The refused recipients of a mail that was sent to the others, or of an error that says all were refused. */
function refusalsOf(outcome: unknown, secrets: readonly string[]): SmtpRefusal[] {
  const { rejectedErrors } = outcome as { rejectedErrors?: unknown };
  if (!Array.isArray(rejectedErrors)) return [];
  return rejectedErrors.map(({ recipient, response, responseCode }) => ({
    address: String(recipient),
    reply: quote(String(response), secrets),
    code: Number(responseCode),
    permanent: isPermanentReply(Number(responseCode)),
  }));
}

/** In the forms in which a server may repeat them (RFC 4616, RFC 4954). */
function secretsOf({ user, password }: SmtpConnectionOptions): string[] {
  if (password === undefined) return [];
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return [base64(`\0${user}\0${password}`), base64(password), password];
}
