import { classifyCommonError, DeliveryError, type ErrorKind, isAbortError } from "../../errors";
import { capitalised, harmlessCause, quote } from "../../quotation";

export interface SmtpErrorPlace {
  /** `the mail server mail.example.com:587`. */
  where: string;
  /** Never repeated, even when the server does. */
  secrets: readonly string[];
}

/** A server's answer (RFC 5321 §4.2) and what it answered. */
export interface SmtpReply {
  readonly code: number;
  /** All lines, with their codes. */
  readonly text: string;
  /** `CONN`, `EHLO`, `STARTTLS`, `AUTH PLAIN`, `MAIL FROM`, `RCPT TO`, `DATA`. */
  readonly command: string;
}

interface Rule {
  kind: ErrorKind;
  advice: string;
  maxAttempts?: number;
}

/** What nodemailer says of a failure. */
interface SmtpFailure {
  message: string;
  /** Its own word: `ESOCKET`, `EDNS`, `EAUTH`. */
  code: string;
  /** Node.js's word behind it: `ECONNREFUSED`, `CERT_HAS_EXPIRED`. */
  originalCode: string | undefined;
  /** Which of its time-outs it was: `GREETING_TIMEOUT`. */
  timeoutType: string | undefined;
  reply: SmtpReply | undefined;
}

const later: Rule = { kind: "unavailable", advice: "It may work later." };
const noLogin: Rule = {
  kind: "denied",
  advice: "Check the user name and the password.",
  // More would lock the account on many servers.
  maxAttempts: 3,
};
const loginNotOffered: Rule = {
  kind: "invalid",
  advice: "It offers no login here: clear the user name, or choose another port or security.",
};
const noTls: Rule = {
  kind: "invalid",
  advice:
    "It offers no STARTTLS here. Nothing is sent in clear text instead: check the port and the security.",
};

/**
 * Any failure to send a mail as a `DeliveryError`: ERRORS.md's table for RFC 5321, 3207 and 4954.
 * A connection lost after DATA is `unavailable`: the mail may have been delivered.
 */
export function classifySmtpError(error: unknown, place: SmtpErrorPlace): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const cause = harmlessCause(error, place.secrets);
  if (isAbortError(error)) {
    return new DeliveryError("cancelled", "The sending of the mail was interrupted.", { cause });
  }
  const failure = readFailure(error);
  return failure.reply ? refusal(failure.reply, place, cause) : loss(failure, place, cause);
}

/** ERRORS.md: 4yz, 421 and 503 are temporary. */
export function isPermanentReply(code: number): boolean {
  return code >= 500 && code < 600 && code !== 503;
}

function readFailure(error: unknown): SmtpFailure {
  const raw = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  const { responseCode, response } = raw;
  const reply =
    typeof responseCode === "number" && typeof response === "string"
      ? { code: responseCode, text: response, command: text(raw.command) ?? "" }
      : undefined;
  return {
    message: text(raw.message) ?? String(error),
    code: text(raw.code) ?? "",
    originalCode: text(raw.originalCode),
    timeoutType: text(raw.timeoutType),
    reply,
  };
}

function refusal(reply: SmtpReply, place: SmtpErrorPlace, cause: Error): DeliveryError {
  const { kind, advice, maxAttempts } = ruleFor(reply);
  const sentence = `${capitalised(place.where)} ${refused(reply)}: ${quote(reply.text, place.secrets)} ${advice}`;
  return new DeliveryError(kind, sentence, { code: String(reply.code), maxAttempts, cause });
}

function ruleFor({ code, text, command }: SmtpReply): Rule {
  if (command.startsWith("AUTH")) {
    if ([500, 502, 503, 504].includes(code)) return loginNotOffered;
    return isPermanentReply(code) ? noLogin : later;
  }
  if (!isPermanentReply(code)) return later;
  if (command === "STARTTLS" || command === "EHLO") return noTls;
  if (code === 530 && /starttls/i.test(text)) {
    return { kind: "invalid", advice: "Choose the security STARTTLS for this server." };
  }
  if (code === 530 || code === 535) return noLogin;
  return { kind: "rejected", advice: adviceForRefusal(command) };
}

function adviceForRefusal(command: string): string {
  if (command === "MAIL FROM") return "Check the sender's address, and whether the server wants a login.";
  if (command === "DATA") return "Ask the server's owner what it does not like about the mail.";
  return "Check the server's address and port.";
}

function refused({ command }: SmtpReply): string {
  if (command.startsWith("AUTH")) return "refused the login";
  const sentences: Record<string, string> = {
    CONN: "refused the connection",
    EHLO: "refused the greeting",
    HELO: "refused the greeting",
    STARTTLS: "refused TLS",
    "MAIL FROM": "refused the sender",
    DATA: "refused the mail",
  };
  return sentences[command] ?? "refused";
}

/** Without a reply: the network, TLS, a time-out, or what nodemailer itself refuses. */
function loss(failure: SmtpFailure, { where, secrets }: SmtpErrorPlace, cause: Error): DeliveryError {
  const code = networkCode(failure);
  const common = classifyCommonError(Object.assign(cause, { code }), where);
  if (common) return common;
  const server = capitalised(where);
  const said = quote(failure.message, secrets);
  switch (failure.code) {
    case "ETLS":
      return new DeliveryError(
        "unavailable",
        `${server} broke off while TLS was being set up. If it goes on, check its TLS settings.`,
        { code, cause },
      );
    case "EPROTOCOL":
      return new DeliveryError(
        "unavailable",
        `${server} does not answer as a mail server does: ${said} Check the address and the port.`,
        { code, cause },
      );
    case "ECONNECTION":
      return new DeliveryError(
        "unavailable",
        `${server} closed the connection before it confirmed the mail.`,
        {
          code: "ECONNRESET",
          cause,
        },
      );
    default:
      return new DeliveryError("unavailable", `The mail could not be handed to ${where}: ${said}`, {
        code,
        cause,
      });
  }
}

/** Node.js's code where there is one, as `classifyCommonError` knows it. */
function networkCode({ code, originalCode, timeoutType }: SmtpFailure): string {
  if (code === "EDNS") {
    return originalCode === undefined || /NOTFOUND|ENODATA/.test(originalCode) ? "ENOTFOUND" : "EAI_AGAIN";
  }
  if (timeoutType !== undefined) return "ETIMEDOUT";
  return originalCode ?? code;
}
