import { isIPv6 } from "node:net";
import { readAuthorities } from "../../authorities";
import { DeliveryError } from "../../errors";
import { type OptionReader, readOptions } from "../../options";
import { type Mailbox, parseSingleMailbox } from "./recipients";

export const smtpSecurities = ["starttls", "tls", "none"] as const;

export interface SmtpConnectionOptions {
  /** A host name or an IP address, IPv6 without brackets. */
  host: string;
  /** Default: 587, or 465 for `tls`, 25 for `none`. */
  port: number;
  /**
   * `starttls`: required, never falling back to clear text (RFC 3207). `tls`: from the first byte
   * (RFC 8314). `none`: clear text.
   */
  security: (typeof smtpSecurities)[number];
  /** Who the mails are from, and where bounces go. */
  from: Mailbox;
  /** Without one, nobody logs in. */
  user: string | undefined;
  password: string | undefined;
  /** PEM of the authorities that may have signed the server's certificate, instead of the well-known ones. */
  ca: string | undefined;
  verifyCertificate: boolean;
  /** For reaching the server, its greeting and the TLS handshake, together. */
  connectTimeoutMs: number;
  /** For each reply. The default is the 5 minutes of RFC 5321 §4.5.3.2: giving up early sends a mail twice. */
  idleTimeoutMs: number;
}

const usualPorts = { starttls: 587, tls: 465, none: 25 } as const;
const oneLine = { pattern: /^[^\r\n\0]*$/, must: "text without line breaks" };
const maxTimeoutMs = 24 * 60 * 60 * 1000;

/** @throws DeliveryError `invalid` that lists every problem */
export function readSmtpConnectionOptions(input: unknown): SmtpConnectionOptions {
  return readOptions("Mail server", input, (options) => {
    const security = options.choice("security", smtpSecurities, "starttls");
    const port = { min: 1, max: 65_535, default: usualPorts[security], integer: true };
    return {
      host: readHost(options),
      port: options.number("port", port),
      security,
      from: readFrom(options),
      ...readLogin(options),
      ca: readAuthorities(options),
      verifyCertificate: options.boolean("verifyCertificate", true),
      connectTimeoutMs: options.number("connectTimeoutMs", { min: 100, max: maxTimeoutMs, default: 30_000 }),
      idleTimeoutMs: options.number("idleTimeoutMs", { min: 100, max: maxTimeoutMs, default: 300_000 }),
    };
  });
}

function readHost(options: OptionReader): string {
  const host = options.string("host", {
    pattern: /^[^\s/@[\]]+$/,
    must: "a host name or an address alone, without smtp:// or user",
  });
  if (host.includes(":") && !isIPv6(host)) {
    options.problem("host must not hold a port; it has a field of its own");
  }
  return host;
}

function readFrom(options: OptionReader): Mailbox {
  const text = options.string("from");
  if (text !== "") {
    try {
      return parseSingleMailbox(text);
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      options.problem("from must be one e-mail address, such as Deliveries <deliveries@example.com>");
    }
  }
  return { name: "", address: "" };
}

function readLogin(options: OptionReader): Pick<SmtpConnectionOptions, "user" | "password"> {
  const user = options.optionalString("user", oneLine);
  if (user !== undefined) return { user, password: options.string("password", oneLine) };
  if (options.optionalString("password", oneLine) !== undefined) {
    options.problem("user is missing, but there is a password");
  }
  return { user: undefined, password: undefined };
}
