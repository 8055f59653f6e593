import { classifyCommonError, DeliveryError, type ErrorKind } from "../../errors";
import { capitalised, harmlessCause, quote } from "../../quotation";

/** A server's answer: draft-ietf-secsh-filexfer-02 §7, and later drafts, whose codes some servers use early. */
export interface SftpStatus {
  readonly code: number;
  readonly text: string;
}

export const sftpStatus = {
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  noConnection: 6,
  connectionLost: 7,
  unsupported: 8,
} as const;

/** What was being asked of the server when it went wrong. */
export type SftpStep = "connect" | "login" | "folder" | "store" | "look" | "rename" | "remove" | "read";

export interface SftpErrorPlace {
  /** `the SFTP server sftp.example.com:22`. */
  where: string;
  step: SftpStep;
  path?: string | undefined;
  /** Never repeated, even when the server does. */
  secrets?: readonly string[];
}

interface Rule {
  kind: ErrorKind;
  advice: string;
  maxAttempts?: number;
  retryAfterMs?: number;
}

const busy: Rule = { kind: "unavailable", advice: "It may work later." };
const noPermission: Rule = { kind: "denied", advice: "Ask the server's owner for the permission." };
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
const aFolder: Rule = { kind: "rejected", advice: "There is a folder of that name. Choose another." };

const statuses: Readonly<Record<number, [name: string, rule: Rule]>> = {
  2: [
    "SSH_FX_NO_SUCH_FILE",
    { kind: "missing", advice: "It does not exist. Make it, or let the writer make folders." },
  ],
  3: ["SSH_FX_PERMISSION_DENIED", noPermission],
  4: ["SSH_FX_FAILURE", busy],
  5: ["SSH_FX_BAD_MESSAGE", badName],
  8: ["SSH_FX_OP_UNSUPPORTED", { kind: "invalid", advice: "The server cannot do that." }],
  10: ["SSH_FX_NO_SUCH_PATH", { kind: "missing", advice: "The folder does not exist. Make it." }],
  11: ["SSH_FX_FILE_ALREADY_EXISTS", { kind: "rejected", advice: "Choose another name." }],
  12: ["SSH_FX_WRITE_PROTECT", noPermission],
  13: ["SSH_FX_NO_MEDIA", busy],
  14: ["SSH_FX_NO_SPACE_ON_FILESYSTEM", full],
  15: ["SSH_FX_QUOTA_EXCEEDED", full],
  17: ["SSH_FX_LOCK_CONFLICT", busy],
  19: ["SSH_FX_NOT_A_DIRECTORY", { kind: "rejected", advice: "There is a file where a folder is needed." }],
  20: ["SSH_FX_INVALID_FILENAME", badName],
  24: ["SSH_FX_FILE_IS_A_DIRECTORY", aFolder],
};

/** OpenSSH says no more than this when a disk or a quota is full, for which later drafts have codes. */
const perhapsFull: Rule = {
  ...full,
  advice: "Often the disk is full or the quota used up: its owner must make room.",
};

/** What a refusal means. Whether the work may have been done nevertheless is the caller's to find out. */
export function refusalOf(status: SftpStatus, place: SftpErrorPlace): DeliveryError {
  const [name, rule] = statuses[status.code] ?? [`SSH_FX_${status.code}`, busy];
  const unclear = status.code === sftpStatus.failure && place.step === "store";
  const { kind, advice, maxAttempts, retryAfterMs } = unclear ? perhapsFull : rule;
  const said = quote(status.text, place.secrets);
  const sentence = `${capitalised(place.where)} ${refused(place)}: ${said} ${advice}`;
  return new DeliveryError(kind, sentence, { code: name, maxAttempts, retryAfterMs });
}

function refused({ step, path }: SftpErrorPlace): string {
  const named = path ?? "it";
  const sentences: Record<SftpStep, string> = {
    connect: "refused the connection",
    login: "refused the login",
    folder: `refused the folder ${named}`,
    store: `did not store ${named}`,
    look: `did not tell about ${named}`,
    rename: `did not rename the upload to ${named}`,
    remove: `did not remove ${named}`,
    read: `did not send ${named}`,
  };
  return sentences[step];
}

/** RFC 4253 §11.1; the others are `unavailable`. */
const disconnects: Readonly<Record<number, [name: string, rule: Rule]>> = {
  3: [
    "SSH_DISCONNECT_KEY_EXCHANGE_FAILED",
    {
      kind: "invalid",
      advice: "It shares no algorithm with this program: its owner must allow a current one.",
    },
  ],
  12: [
    "SSH_DISCONNECT_TOO_MANY_CONNECTIONS",
    { kind: "throttled", advice: "Open fewer connections at once, or wait." },
  ],
  13: ["SSH_DISCONNECT_AUTH_CANCELLED_BY_USER", { ...noPermission, maxAttempts: 3 }],
  14: ["SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE", { ...noPermission, maxAttempts: 3 }],
  15: ["SSH_DISCONNECT_ILLEGAL_USER_NAME", { ...noPermission, maxAttempts: 3 }],
};

/** A lost connection, a time-out or a refused handshake as a `DeliveryError`. */
export function classifySftpLoss(error: unknown, place: SftpErrorPlace): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const cause = harmlessCause(error, place.secrets);
  const handshake = handshakeTrouble(error, place);
  if (handshake) return handshake;
  const common = classifyCommonError(cause, place.where);
  if (common) return common;
  const late = /time(d )?out/i.test(cause.message);
  const sentence = late
    ? `${capitalised(place.where)} did not answer in time ${during(place)}.`
    : `${capitalised(place.where)} closed the connection ${during(place)}.`;
  return new DeliveryError("unavailable", sentence, { code: late ? "ETIMEDOUT" : "ECONNRESET", cause });
}

function handshakeTrouble(error: unknown, place: SftpErrorPlace): DeliveryError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, level } = error as { code?: unknown; level?: unknown };
  const where = capitalised(place.where);
  const said = quote(error.message, place.secrets);
  const disconnect = typeof code === "number" ? disconnects[code] : undefined;
  if (disconnect) {
    const [name, { kind, advice, maxAttempts }] = disconnect;
    return new DeliveryError(kind, `${where} ended the session: ${said} ${advice}`, {
      code: name,
      maxAttempts,
    });
  }
  if (/too many authentication failures/i.test(error.message)) return refusedLogin(place, said);
  if (level === "handshake" && /no matching/.test(error.message)) {
    const [name, { kind, advice }] = disconnects[3] ?? ["", busy];
    return new DeliveryError(kind, `${where} cannot be spoken to: ${said} ${advice}`, { code: name });
  }
  if (typeof code === "number") {
    return new DeliveryError("unavailable", `${where} ended the session ${during(place)}: ${said}`, {
      code: `SSH_DISCONNECT_${code}`,
    });
  }
  return undefined;
}

/** @param why a sentence */
export function refusedLogin({ where }: Pick<SftpErrorPlace, "where">, why: string): DeliveryError {
  return new DeliveryError("denied", `${capitalised(where)} refused the login: ${why}`, {
    code: "SSH_AUTHENTICATION_FAILED",
    // More would lock the account on many servers.
    maxAttempts: 3,
  });
}

function during({ step, path }: SftpErrorPlace): string {
  const named = path ?? "a file";
  const doing: Record<SftpStep, string> = {
    connect:
      "while connecting. Check that it speaks SSH at that port; it may also limit how many connections it takes at once",
    login: "during the login",
    folder: `while looking for the folder ${named}`,
    store: `while storing ${named}`,
    look: `while looking at ${named}`,
    rename: `while renaming the upload to ${named}`,
    remove: `while removing ${named}`,
    read: `while reading ${named}`,
  };
  return doing[step];
}
