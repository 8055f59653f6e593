import { classifyCommonError, DeliveryError, type ErrorKind } from "../../errors";
import { capitalised, harmlessCause, quote } from "../../quotation";

/** A server's answer: RFC 959 §4.2. */
export interface FtpReply {
  readonly code: number;
  /** All lines, with their codes. */
  readonly text: string;
}

/** What was being asked of the server when it went wrong. */
export type FtpStep =
  | "connect"
  | "secure"
  | "login"
  | "passive"
  | "folder"
  | "store"
  | "look"
  | "rename"
  | "remove"
  | "read";

export interface FtpErrorPlace {
  /** `the FTP server ftp.example.com:21`. */
  where: string;
  step: FtpStep;
  path?: string | undefined;
  /** Never repeated, even when the server does. */
  secrets?: readonly string[];
  /** Whether the folder of `path` is known to be there, or to be missing. */
  folderExists?: boolean;
  /** Whether the server reads names as UTF-8 (RFC 2640). */
  utf8?: boolean;
}

interface Rule {
  kind: ErrorKind;
  advice: string;
  maxAttempts?: number;
  retryAfterMs?: number;
}

const busy: Rule = { kind: "unavailable", advice: "It may work later." };
const noDataConnection: Rule = {
  kind: "unavailable",
  advice:
    "If it goes on: check the server's passive ports, the firewall, and whether the server wants the TLS session reused.",
};
const noLogin: Rule = {
  kind: "denied",
  advice: "Check the user name and the password.",
  // More would lock the account on many servers.
  maxAttempts: 3,
};
const full: Rule = {
  kind: "unavailable",
  advice: "The destination is full: its owner must make room.",
  maxAttempts: 4,
  retryAfterMs: 60_000,
};
const badName: Rule = {
  kind: "rejected",
  advice: "Choose another name, or ask the server's owner what is allowed there.",
};
const noTls: Rule = { kind: "invalid", advice: "Check the connection's security and the server's TLS." };

const rules: Readonly<Record<number, Rule>> = {
  120: busy,
  332: noLogin,
  421: busy,
  425: noDataConnection,
  426: {
    kind: "unavailable",
    advice: "The transfer was cut. If it goes on, look at the firewall and at the server's log.",
  },
  430: noLogin,
  431: noTls,
  450: busy,
  451: busy,
  452: full,
  501: badName,
  503: { kind: "unavailable", advice: "A new session may cure that.", maxAttempts: 2 },
  504: badName,
  522: noTls,
  530: noLogin,
  532: noLogin,
  533: noTls,
  534: noTls,
  536: noTls,
  551: badName,
  552: full,
  553: badName,
};

/**
 * Any failure of a session as a `DeliveryError`: ERRORS.md's table for the replies of RFC 959, 2228, 2428
 * and 4217. Whether the work may have been done nevertheless is the caller's to find out.
 */
export function classifyFtpError(error: unknown, place: FtpErrorPlace): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const reply = replyOf(error);
  return reply ? refusal(reply, place) : loss(error, place);
}

/** The server's reply that a basic-ftp error stands for, if it does. */
export function replyOf(error: unknown): FtpReply | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as { code?: unknown }).code;
  return typeof code === "number" && code >= 100 && code < 600 ? { code, text: error.message } : undefined;
}

function refusal(reply: FtpReply, place: FtpErrorPlace): DeliveryError {
  const { kind, advice, maxAttempts, retryAfterMs } = ruleFor(reply, place);
  const said = quote(reply.text, place.secrets);
  const sentence = `${capitalised(place.where)} ${refused(place)}: ${said} ${advice}${utf8Hint(reply, place)}`;
  return new DeliveryError(kind, sentence, { code: String(reply.code), maxAttempts, retryAfterMs });
}

function ruleFor(reply: FtpReply, place: FtpErrorPlace): Rule {
  if (/too many|maximum|limit (is )?(reached|exceeded)|connection limit/i.test(reply.text)) {
    if ([421, 430, 530].includes(reply.code)) {
      return { kind: "throttled", advice: "Open fewer connections at once, or wait." };
    }
  }
  if (place.step === "secure" && reply.code >= 500) {
    return { kind: "invalid", advice: "It does not offer TLS here. Nothing is sent in clear text instead." };
  }
  if (reply.code === 550) return unavailableFile(reply, place);
  return rules[reply.code] ?? busy;
}

function unavailableFile(reply: FtpReply, place: FtpErrorPlace): Rule {
  if (/\b(busy|locked|in use)\b/i.test(reply.text)) return busy;
  if (place.folderExists === false) {
    return { kind: "missing", advice: "The folder does not exist. Make it, or let the writer make folders." };
  }
  return { kind: "denied", advice: "Ask the server's owner for the permission." };
}

function refused({ step, path }: FtpErrorPlace): string {
  const named = path ?? "it";
  const sentences: Record<FtpStep, string> = {
    connect: "refused the connection",
    secure: "refused TLS",
    login: "refused the login",
    passive: "opened no data connection",
    folder: `refused the folder ${named}`,
    store: `did not store ${named}`,
    look: `did not tell about ${named}`,
    rename: `did not rename the upload to ${named}`,
    remove: `did not remove ${named}`,
    read: `did not send ${named}`,
  };
  return sentences[step];
}

function utf8Hint(reply: FtpReply, { path, utf8 }: FtpErrorPlace): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
  if (utf8 !== false || path === undefined || /^[\u0000-\u007f]*$/.test(path)) return "";
  if (![501, 550, 551, 553].includes(reply.code)) return "";
  return " The name is not plain ASCII, and this server does not say that it understands UTF-8.";
}

function loss(error: unknown, place: FtpErrorPlace): DeliveryError {
  const cause = harmlessCause(error, place.secrets);
  const common = classifyCommonError(cause, place.where);
  if (common && !(isBrokenTls(common) && wasSecured(place))) return common;
  const message = error instanceof Error ? error.message : String(error);
  const late = /timeout/i.test(message);
  const sentence = late
    ? `${capitalised(place.where)} did not answer in time ${during(place)}.`
    : `${capitalised(place.where)} closed the connection ${during(place)}.`;
  return new DeliveryError("unavailable", sentence, { code: late ? "ETIMEDOUT" : "ECONNRESET", cause });
}

/** Some servers say in clear text why they end a session, in the middle of its TLS records. */
function isBrokenTls({ code = "" }: DeliveryError): boolean {
  return code === "EPROTO" || code.startsWith("ERR_SSL_");
}

/** Whether TLS, if there is any, has worked before: then no setting is to blame. */
function wasSecured({ step }: FtpErrorPlace): boolean {
  return step !== "connect" && step !== "secure";
}

function during({ step, path }: FtpErrorPlace): string {
  const named = path ?? "a file";
  const doing: Record<FtpStep, string> = {
    connect: "while connecting. Check the port, and whether it expects TLS from the first byte",
    secure: "while setting up TLS",
    login: "during the login",
    passive: "while opening a data connection",
    folder: `while looking for the folder ${named}`,
    store: `while storing ${named}`,
    look: `while looking at ${named}`,
    rename: `while renaming the upload to ${named}`,
    remove: `while removing ${named}`,
    read: `while reading ${named}`,
  };
  return doing[step];
}
