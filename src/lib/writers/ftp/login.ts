import { isIP } from "node:net";
import { type ConnectionOptions, checkServerIdentity, createSecureContext } from "node:tls";
import { interrupted } from "../../errors";
import type { FtpConnectionOptions } from "./options";
import { FtpSession, type FtpSessionContext } from "./session";

/**
 * Connects, secures, and logs in. Nothing of the login is sent before the certificate was verified.
 * @throws DeliveryError
 */
export async function openFtpSession(
  options: FtpConnectionOptions,
  context: FtpSessionContext,
  tls: ConnectionOptions | undefined,
  signal: AbortSignal,
): Promise<FtpSession> {
  const { Client } = await import("basic-ftp");
  const session = new FtpSession(new Client(options.idleTimeoutMs), context);
  const onAbort = () => session.close(interrupted());
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) throw interrupted();
    await withinTime(session, options.connectTimeoutMs, () => connect(session, options, tls));
    await logIn(session, options);
    await agreeOnSettings(session, options);
    return session;
  } catch (error) {
    session.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function withinTime(session: FtpSession, timeoutMs: number, work: () => Promise<void>): Promise<void> {
  // The client has no time limit of its own for the TLS handshake.
  const timer = setTimeout(() => session.close(session.failure(new Error("Timeout"), "connect")), timeoutMs);
  try {
    await work();
  } finally {
    clearTimeout(timer);
  }
}

async function connect(
  session: FtpSession,
  { host, port, security }: FtpConnectionOptions,
  tls: ConnectionOptions | undefined,
): Promise<void> {
  if (security === "implicit") {
    await session.run((client) => client.connectImplicitTLS(host, port, { ...tls }), "connect");
    return;
  }
  await session.run((client) => client.connect(host, port), "connect");
  if (security === "explicit") await session.run((client) => client.useTLS({ ...tls }), "secure");
}

async function logIn(session: FtpSession, { user, password }: FtpConnectionOptions): Promise<void> {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
  if (!/^[\u0000-\u007f]*$/.test(user + password)) await session.ask("OPTS UTF8 ON", "login");
  await session.run((client) => client.login(user, password), "login");
}

async function agreeOnSettings(session: FtpSession, { root, security }: FtpConnectionOptions): Promise<void> {
  const features = await session.ask("FEAT", "login");
  for (const line of features.code === 211 ? features.text.split("\n").slice(1, -1) : []) {
    const [name = "", ...parameters] = line.trim().split(" ");
    session.features.set(name.toUpperCase(), parameters.join(" "));
  }
  const utf8 = await session.ask("OPTS UTF8 ON", "login");
  session.utf8 = utf8.code < 400 || session.features.has("UTF8");
  await session.demand("TYPE I", "login");
  if (security !== "none") {
    // RFC 4217 §9: both are needed, or data connections would be in clear text.
    await session.demand("PBSZ 0", "secure");
    await session.demand("PROT P", "secure");
  }
  session.root = root.startsWith("/") ? root : `${await homeOf(session)}/${root}`;
  session.root = session.root.replace(/\/+$/, "");
}

/** RFC 959 §5.4.2: a quote in the folder's name is doubled. */
async function homeOf(session: FtpSession): Promise<string> {
  const reply = await session.demand("PWD", "login");
  const quoted = /"((?:[^"]|"")*)"/.exec(reply.text)?.[1];
  if (quoted === undefined) throw session.refusal(reply, "login");
  return quoted.replaceAll('""', '"').replace(/\/+$/, "");
}

/** What every TLS connection of the client starts with; the secure context is costly, so it is shared. */
export function tlsOptions(options: FtpConnectionOptions): ConnectionOptions | undefined {
  const { host, serverName, ca, verifyCertificate, security } = options;
  if (security === "none") return undefined;
  const name = serverName ?? host;
  return {
    host,
    // An address cannot be asked for in SNI (RFC 6066 §3), but a certificate can be for one.
    ...(isIP(name)
      ? { checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate) }
      : { servername: name }),
    rejectUnauthorized: verifyCertificate,
    secureContext: createSecureContext(ca === undefined ? {} : { ca }),
  };
}
