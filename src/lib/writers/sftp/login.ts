import { connect } from "node:net";
import type { ServerHostKeyAlgorithm } from "ssh2";
import { DeliveryError, interrupted } from "../../errors";
import { importOptionalPeer } from "../../optional-peer";
import { capitalised, quote } from "../../quotation";
import { createAuthentication } from "./authentication";
import { refusedLogin } from "./errors";
import { describeHostKey, type HostKey } from "./host-keys";
import type { SftpConnectionOptions } from "./options";
import { SftpSession, type SftpSessionContext } from "./session";

/** Kinds of host keys, best first: the key's own type, and the algorithms that it can sign with (RFC 8332). */
const keyAlgorithms: readonly [type: string, algorithms: readonly ServerHostKeyAlgorithm[]][] = [
  ["ssh-ed25519", ["ssh-ed25519"]],
  ["ecdsa-sha2-nistp256", ["ecdsa-sha2-nistp256"]],
  ["ecdsa-sha2-nistp384", ["ecdsa-sha2-nistp384"]],
  ["ecdsa-sha2-nistp521", ["ecdsa-sha2-nistp521"]],
  ["ssh-rsa", ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]],
];

/**
 * Connects, checks the host key, logs in and opens SFTP. Nothing of the login is sent before the key was
 * found right. A server may have keys of several kinds, of which only one is pinned: each is asked for.
 * @throws DeliveryError
 */
export async function openSftpSession(
  options: SftpConnectionOptions,
  context: SftpSessionContext,
  signal: AbortSignal,
): Promise<SftpSession> {
  const { otherKeyTypes } = context.facts;
  const shown: HostKey[] = [];
  for (;;) {
    const before = shown.length;
    try {
      const session = await openOnce(options, context, signal, shown);
      // Those that were shown and not taken need not be asked for again.
      for (const { type } of shown.slice(0, -1)) otherKeyTypes.add(type);
      return session;
    } catch (error) {
      const key = shown[before];
      const known = error instanceof DeliveryError ? error.code : undefined;
      if (known === "HOST_KEY_OTHER" && key && algorithmsFor(options, context, shown).length > 0) continue;
      // It has no key of another kind: all were shown.
      const allShown = before > 0 && !key && known === "SSH_DISCONNECT_KEY_EXCHANGE_FAILED";
      throw allShown || known === "HOST_KEY_OTHER" ? otherKey(context.where, shown) : error;
    }
  }
}

function algorithmsFor(
  { hostKeyCheck, hostKeys: { types } }: SftpConnectionOptions,
  { facts: { otherKeyTypes } }: SftpSessionContext,
  shown: readonly HostKey[],
): ServerHostKeyAlgorithm[] {
  return keyAlgorithms
    .filter(([type]) => hostKeyCheck === "show" || types.size === 0 || types.has(type))
    .filter(([type]) => !otherKeyTypes.has(type) && !shown.some((key) => key.type === type))
    .flatMap(([, algorithms]) => algorithms);
}

async function openOnce(
  options: SftpConnectionOptions,
  context: SftpSessionContext,
  signal: AbortSignal,
  shown: HostKey[],
): Promise<SftpSession> {
  const { default: ssh2 } = await importOptionalPeer("ssh2", "deliver by SFTP", () => import("ssh2"));
  checkPrivateKey(options, ssh2.utils.parseKey);
  const serverHostKey = algorithmsFor(options, context, shown);
  if (serverHostKey.length === 0) throw unusableKeys(options);
  const { host, port, connectTimeoutMs } = options;
  if (signal.aborted) throw interrupted();
  const socket = connect({ host, port, noDelay: true, keepAlive: true });
  const client = new ssh2.Client();
  const session = new SftpSession(client, socket, context);
  const authentication = createAuthentication(options);
  let refusal: DeliveryError | undefined;
  const onAbort = () => session.close(interrupted());
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => session.loss(new Error("Timeout"), "connect"), connectTimeoutMs);
  try {
    await session.begin<void>((_, done) => {
      client.once("ready", () => done(undefined));
      client.once("change password", () =>
        done(refusedLogin(context, "the password has expired. Change it.")),
      );
      client.connect({
        sock: socket,
        username: options.user,
        readyTimeout: 0,
        algorithms: { serverHostKey },
        hostVerifier: (key: Buffer) => {
          shown.push(describeHostKey(key));
          refusal = judge(options, context.where, shown);
          return refusal === undefined;
        },
        // The types know neither the first call's null nor that an answer may be returned.
        authHandler: ((left: string[] | null, partial: boolean | null) =>
          authentication.next(left, partial)) as never,
      });
    }, true);
    await session.openChannel();
    session.root = await rootOf(session, options.root);
    session.replies = 1;
    return session;
  } catch (error) {
    session.close();
    if (refusal) throw refusal;
    const { level, message } = error as { level?: unknown; message?: string };
    if (level === "client-authentication") throw refusedLogin(context, authentication.reason());
    if (/subsystem|establishing SFTP/.test(message ?? "")) throw noSftp(context, message ?? "");
    throw session.loss(error, "connect");
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

async function rootOf(session: SftpSession, root: string): Promise<string> {
  if (root.startsWith("/")) return root.replace(/\/+$/, "");
  const home = await session.demand<string>((sftp, done) => sftp.realpath(".", done), "login");
  return [home.replace(/\/+$/, ""), root].filter((part) => part !== "").join("/");
}

/** @returns why the server is not spoken to, if it is not */
function judge(
  { hostKeyCheck, hostKeys }: SftpConnectionOptions,
  where: string,
  shown: readonly HostKey[],
): DeliveryError | undefined {
  const key = shown.at(-1);
  if (!key) return undefined;
  if (hostKeyCheck === "show") {
    return new DeliveryError(
      "invalid",
      `${capitalised(where)} shows the host key ${key.fingerprint} (${key.type}). Ask its owner whether that is right; if so, pin it in the connection. Nothing was sent.`,
      { code: "HOST_KEY_SHOWN" },
    );
  }
  if (hostKeys.revoked.has(key.fingerprint)) {
    return new DeliveryError(
      "invalid",
      `${capitalised(where)} shows a host key that is marked as revoked: ${key.fingerprint}. Nothing was sent.`,
      { code: "HOST_KEY_REVOKED" },
    );
  }
  if (hostKeys.trusted.has(key.fingerprint)) return undefined;
  return new DeliveryError("invalid", "Another host key", { code: "HOST_KEY_OTHER" });
}

function otherKey(where: string, shown: readonly HostKey[]): DeliveryError {
  const keys = shown.map(({ fingerprint, type }) => `${fingerprint} (${type})`).join(", ");
  return new DeliveryError(
    "invalid",
    `${capitalised(where)} does not show the host key that is pinned, but ${keys}. Either it was set up anew, or somebody poses as it: ask its owner. Nothing was sent.`,
    { code: "HOST_KEY_MISMATCH" },
  );
}

function unusableKeys({ hostKeys: { types } }: SftpConnectionOptions): DeliveryError {
  const kinds = [...types].join(", ");
  return new DeliveryError(
    "invalid",
    `Host keys of the kind ${kinds} cannot be checked. Pin one of another kind.`,
    {
      code: "HOST_KEY_UNUSABLE",
    },
  );
}

function checkPrivateKey(
  { privateKey, passphrase }: SftpConnectionOptions,
  parse: (key: string, passphrase?: string) => unknown,
): void {
  if (privateKey === undefined) return;
  const problem = parse(privateKey, passphrase);
  if (!(problem instanceof Error)) return;
  const advice = /passphrase|decrypt|integrity|bad/i.test(problem.message)
    ? "Check its passphrase."
    : "Give it in OpenSSH's, PEM or PuTTY's form.";
  throw new DeliveryError(
    "invalid",
    `The private key cannot be used: ${quote(problem.message, [passphrase ?? ""])} ${advice}`,
    { code: "PRIVATE_KEY_UNUSABLE" },
  );
}

function noSftp({ where, secrets }: SftpSessionContext, message: string): DeliveryError {
  return new DeliveryError(
    "denied",
    `${capitalised(where)} took the login, but offers no SFTP to this user: ${quote(message, secrets)} Ask its owner to allow it.`,
    { code: "SFTP_REFUSED" },
  );
}
